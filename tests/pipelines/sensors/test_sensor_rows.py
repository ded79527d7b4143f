"""Rows of the sensors' table: kinds of the package, and objectives and rows from one file outside it."""

from __future__ import annotations

import pytest
import torch
from sensor_data import people, recording

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1dConfig
from audiossl.objectives.crops import CropConfig
from audiossl.objectives.objective import Needs
from audiossl.pipelines.sensors.batches import WindowBatchConfig, WindowBatches
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.models import ModelConfig
from audiossl.pipelines.sensors.rows import ROWS, Row, find_row, make_rows
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.signals.sensors.windows import WindowConfig
from audiossl.stage import Stage, fingerprint

MINE = '''
from dataclasses import dataclass

from audiossl.objectives.objective import Needs
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.pipelines.sensors.rows import Row


@dataclass
class AlikeConfig(TwoViewConfig):
    weight: float = 1.0


class Alike(TwoViews):
    """Two views of windows of one person agree."""

    Config = AlikeConfig
    needs = Needs.PARTNER

    def compare(self, a, b, batch):
        assert batch.partner is not None
        return {"distance": self.config.weight * (a - b).square().mean()}


class Greedy(Alike):
    needs = Needs.NEIGHBOUR | Needs.LABELS


class Cropped(Alike):
    needs = Needs.CROPS


@dataclass
class MomentOptions:
    power: int = 1


class Moments(Row):
    """The mean power of every channel."""

    Options = MomentOptions
    random = False

    def features(self, fold, seed):
        return fold.windows.values[fold.task.rows].pow(self.options.power).mean(2)
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder of one file with an objective and a row, in which one works."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe(**models: SensorModel) -> SensorsRecipe:
    sizes = ResNet1dConfig(width=8, num_blocks=4, dim=16)
    subjects = SubjectConfig(test=["p4", "p5"], valid=1)
    return SensorsRecipe("toy", models, windows=WindowConfig(1.0, 0.5), subjects=subjects, encoder=sizes)


def test_the_source_of_an_outside_class_is_part_of_the_fingerprint(mine):
    def prints() -> list[str]:
        config = recipe(alike=SensorModel("mine.py:Alike"), moments=SensorModel("mine.py:Moments"), own=SensorModel("statistics"))
        rows = make_rows(config)
        configs = [ModelConfig(row, FoldsConfig.of(config)) for row in rows.values()]
        assert all(len(one.names()) == len(one.decides()) for one in configs)
        return [fingerprint(Stage("model", print, one), {}) for one in configs]

    before = prints()
    assert prints() == before
    (mine / "mine.py").write_text(MINE + "\n# changed\n")
    after = prints()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


def test_options_of_outside_classes_are_read_as_others(mine):
    with pytest.raises(ConfigError, match=r"models\.a\.options\.wieght: expected one of .*did you mean weight"):
        make_rows(recipe(a=SensorModel("mine.py:Alike", {"wieght": 1})))
    with pytest.raises(ConfigError, match=r"models\.a\.options\.power: expected a whole number, got 'two'"):
        make_rows(recipe(a=SensorModel("mine.py:Moments", {"power": "two"})))


def test_a_need_that_windows_do_not_meet_is_refused_by_name(mine):
    with pytest.raises(ConfigError, match=r"models\.a: mine\.py:Greedy needs labels for a part of the items, which"):
        make_rows(recipe(a=SensorModel("mine.py:Greedy", batches=WindowBatchConfig(neighbours=1.0))))
    near = WindowBatchConfig(neighbours=1.0)
    with pytest.raises(ConfigError, match=r"needs a partner from the same bag, which .* they bring a neighbour in time"):
        make_rows(recipe(a=SensorModel("mine.py:Alike", batches=near)))
    with pytest.raises(ConfigError, match=r"x needs a neighbour in time: set batches\.neighbours, in seconds"):
        WindowBatchConfig().meeting("x", Needs.NEIGHBOUR)
    assert near.meeting("x", Needs.NEIGHBOUR) is near
    with pytest.raises(ConfigError, match=r"batches\.bag and batches\.neighbours"):
        WindowBatchConfig(neighbours=1.0, bag="subject")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "statistic",
            r"models\.a\.kind: there is no kind of row 'statistic' \(did you mean statistics\?\); choose one of",
        ),
        ("simcrl", r"did you mean simclr\?\)"),
        ("nowhere:Row", r"models\.a\.kind: kind of row: there is no module nowhere"),
        ("torch.nn:Linear", r"models\.a\.kind: objective 'torch\.nn:Linear': expected a class with Config"),
    ],
)
def test_unknown_kinds_are_refused_with_those_that_there_are(kind, said):
    with pytest.raises(ConfigError, match=said):
        make_rows(recipe(a=SensorModel(kind)))


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_of_the_table_is_a_row(kind):
    assert issubclass(find_row("a", SensorModel(kind)), Row)


def test_what_an_objective_needs_is_brought(mine):
    rows = make_rows(recipe(a=SensorModel("mine.py:Alike"), c=SensorModel("mine.py:Cropped"), s=SensorModel("simclr")))
    batches = {name: row.model.batches for name, row in rows.items()}
    assert [batches[name].bag for name in "acs"] == ["subject", None, None]
    assert [batches[name].crops for name in "acs"] == [None, CropConfig(), None]


@pytest.mark.parametrize("bag", ["subject", "recording", "window"])
def test_partners_are_of_another_member_of_the_bag(tmp_path, bag, capsys):
    """Of four people who are trained on, two have a second recording."""
    write_recordings([*people(6), *(recording(f"p{i}_2", f"p{i}", seed=9 + i) for i in (0, 1, 2))], tmp_path / "set")
    fold = SensorFolds(tmp_path / "set", FoldsConfig.of(recipe(a=SensorModel("statistics")))).open(0)
    train = fold.windows.of(fold.sides.known)
    batches = WindowBatches(fold.windows, train, WindowBatchConfig(size=8, bag=bag), seed=1)
    place = {fold.windows.values[row].numpy().tobytes(): row for row in range(len(fold.windows))}
    row_of = {id_: row for row, id_ in enumerate(fold.windows.ids)}
    seen = set()
    for batch in batches(0):
        assert batch.partner is not None and batch.bags is not None
        for id_, name, partner in zip(batch.ids, batch.bags, batch.partner, strict=True):
            row, found = row_of[id_], place[partner.numpy().tobytes()]
            subject, recorded = fold.windows.subjects[row], id_.rpartition("@")[0]
            assert found in train and name == {"subject": subject, "recording": recorded, "window": id_}[bag]
            other = fold.windows.ids[found].rpartition("@")[0]
            if bag == "subject" and subject in ("p0", "p1", "p2"):
                assert fold.windows.subjects[found] == subject and other != recorded
            elif bag == "recording":
                assert other == recorded and found != row
            else:
                assert found == row, "alone in its bag"
            seen.add(found != row)
    said = "are alone in their bag, and their own partners" in " ".join(capsys.readouterr().err.split())
    assert said == (bag == "subject")
    assert seen == {"subject": {True, False}, "recording": {True}, "window": {False}}[bag]


def test_crops_of_windows_are_drawn_anew_in_every_epoch(tmp_path):
    write_recordings(people(6), tmp_path / "set")
    windows = SensorFolds(tmp_path / "set", FoldsConfig.of(recipe(a=SensorModel("statistics")))).open(0).windows
    batches = WindowBatches(windows, range(len(windows)), WindowBatchConfig(size=8, crops=CropConfig(shortest=0.8)), seed=1)
    first, again = next(iter(batches(0))), next(iter(batches(0)))
    assert first.crops is not None and again.crops is not None
    assert torch.equal(first.crops.signal, again.crops.signal)
    by_id = {
        id_: start
        for epoch in (1, 2)
        for batch in batches(epoch)
        for id_, start in zip(batch.ids, batch.crops.start.tolist(), strict=True)
    }
    moved = [by_id[id_] != start for id_, start in zip(first.ids, first.crops.start.tolist(), strict=True)]
    assert sum(moved) > 4
