"""Rows of the sensors' table: kinds of the package, and objectives and rows from one file outside it."""

from __future__ import annotations

import pytest
from sensor_data import people

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1dConfig
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
    needs = Needs.CROPS | Needs.DENSE_ENCODER


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
    with pytest.raises(ConfigError, match=r"models\.a: mine\.py:Greedy needs overlapping .* and a frozen dense encoder, which"):
        make_rows(recipe(a=SensorModel("mine.py:Greedy")))
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


@pytest.mark.parametrize("bag", ["subject", "recording"])
def test_partners_are_other_windows_of_the_bag_that_are_trained_on(tmp_path, bag):
    write_recordings(people(6), tmp_path / "set")
    fold = SensorFolds(tmp_path / "set", FoldsConfig.of(recipe(a=SensorModel("statistics")))).open(0)
    train = fold.windows.of(fold.sides.known)
    batches = WindowBatches(fold.windows, train, WindowBatchConfig(size=8, bag=bag), seed=1)
    values = [fold.windows.values[row] for row in train]
    owner = fold.windows.subjects if bag == "subject" else fold.windows.recording.tolist()
    place = {id_: row for row, id_ in enumerate(fold.windows.ids)}
    for batch in batches(0):
        assert batch.partner is not None
        for id_, partner in zip(batch.ids, batch.partner, strict=True):
            (found,) = [row for row, value in zip(train, values, strict=True) if bool((value == partner).all())]
            assert found != place[id_] and owner[found] == owner[place[id_]]
