"""Rows of the connectivity table: kinds of the package, and an objective and a row from one file outside it."""

from __future__ import annotations

import numpy as np
import pytest
from bold_designs import designed
from safetensors.torch import load_file

from audiossl.errors import ConfigError, DataError
from audiossl.models.connectivity_encoder import ConnectivityConfig
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, FingerprintConfig, GraphModel, PretrainConfig
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.models import ModelConfig, represent
from audiossl.pipelines.connectivity.rows import ROWS, GraphRow, design_of, find_row, make_rows
from audiossl.pipelines.connectivity.stages import stages
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.stage import Stage, fingerprint
from audiossl.training.config import TrainingConfig

MINE = '''
from dataclasses import dataclass

from audiossl.objectives.graph_objective import GraphObjective
from audiossl.objectives.loss import Loss
from audiossl.objectives.objective import Needs
from audiossl.pipelines.connectivity.readers import Reader
from audiossl.pipelines.connectivity.rows import GraphRow


@dataclass
class QuietConfig:
    scale: float = 1.0


class Quiet(GraphObjective):
    """Short vectors."""

    Config = QuietConfig

    def __init__(self, encoder, config):
        super().__init__()
        self.encoder, self.config = encoder, config

    def forward(self, batch):
        nodes = self.encoder.nodes(self.encoder.windows(batch.signal, batch.lengths))[-1]
        return Loss(self.config.scale * nodes.square().mean() * len(nodes), float(len(nodes)))


class Paired(Quiet):
    needs = Needs.CROPS


class Deviations(GraphRow):
    """The deviation of every region."""

    random = False

    def read(self, design, seed, out):
        return Reader(lambda series: {"": series.std(2)}, lambda series: {"": series.std(1, keepdim=True)})
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder of one file with an objective and a row, in which one works, and a set of runs."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write_recordings(
        (bold_run(f"p{i}", f"p{i}", rng.standard_normal((4, 80)), 2.0, list("wxyz")) for i in range(4)), tmp_path / "set"
    )
    return tmp_path


def recipe(**models: GraphModel) -> ConnectivityRecipe:
    training = TrainingConfig(max_steps=2, warmup_steps=1, validate_every=0, tensorboard=False)
    sizes = ConnectivityConfig(window=20, stride=10, dim=8, num_layers=1)
    return ConnectivityRecipe(
        "toy", models, encoder=sizes, pretrain=PretrainConfig(crop=40), training=training, fingerprint=FingerprintConfig(20, 4)
    )


def configs(config: ConnectivityRecipe) -> dict[str, ModelConfig]:
    rows = make_rows(config)
    return {name: ModelConfig(row, config.seeds, design_of(config, rows)) for name, row in rows.items()}


def test_an_objective_and_a_row_from_one_file_give_vectors(mine):
    made = configs(recipe(quiet=GraphModel("mine.py:Quiet", {"scale": 2.0}), plain=GraphModel("mine.py:Deviations")))
    for name, config in made.items():
        represent(mine / name, {"recordings": mine}, config)
    assert load_file(mine / "plain/seed1/vectors.safetensors")["segments/"].shape == (2, 4, 4, 4)
    assert load_file(mine / "quiet/seed1/vectors.safetensors")["segments/pooled"].shape == (2, 4, 4, 8)
    assert (mine / "quiet/seed1/encoder/config.json").is_file()


def test_people_are_bags_to_an_objective_that_needs_partners(mine):
    """MICLe: another run of the same person, or where there is none another crop of the same run."""
    rng = np.random.default_rng(1)
    runs = [bold_run(f"p{i}_{j}", f"p{i}", rng.standard_normal((4, 80)), 2.0, list("wxyz")) for i in range(3) for j in range(2)]
    runs.append(bold_run("p3", "p3", rng.standard_normal((4, 80)), 2.0, list("wxyz")))
    write_recordings(iter(runs), mine / "bags" / "set")
    options = {"augmentations": {"per_view": 0}, "projector": [8]}
    config = recipe(micle=GraphModel("audiossl.objectives.micle:MICLe", options))
    made = configs(config)["micle"]
    design = designed(Runs.open(mine / "bags" / "set"), config)
    parts, _ = made.row.parts(design)
    owner = [design.runs.recordings[part.stretch.run].subject for part in parts]

    def part_of(crop):
        places = [part.series.unfold(1, 40, 1) == crop[:, None] for part in parts]
        (found,) = [number for number, same in enumerate(places) if bool(same.all(2).all(0).any())]
        return found

    paired = set()
    for epoch in range(4):
        for batch in made.row.crops(design, seed=1)(epoch):
            assert batch.bags == batch.subjects and batch.epoch == epoch and len(set(batch.ids)) == len(batch.ids)
            for name, crop, partner in zip(batch.bags, batch.signal, batch.partner, strict=True):
                first, second = part_of(crop), part_of(partner)
                assert owner[first] == owner[second] == name and (first != second) == (owner.count(name) > 1)
                paired.add(name)
    assert paired == set(owner) and max(map(owner.count, owner)) == 2
    represent(mine / "micle", {"recordings": mine / "bags"}, made)
    assert load_file(mine / "micle/seed1/vectors.safetensors")["segments/pooled"].shape[-1] == 8
    assert made.row.may_see_probes("all") is False


def test_the_source_of_an_outside_class_is_part_of_the_fingerprint(mine):
    def prints() -> list[str]:
        models = {"a": GraphModel("mine.py:Quiet"), "b": GraphModel("mine.py:Deviations"), "c": GraphModel("raw_fc")}
        found = configs(recipe(**models)).values()
        assert all(len(one.names()) == len(one.decides()) for one in found)
        return [fingerprint(Stage("model", print, one), {}) for one in found]

    before = prints()
    (mine / "mine.py").write_text(MINE + "\n# changed\n")
    assert [one == other for one, other in zip(before, prints(), strict=True)] == [False, False, True]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            GraphModel("mine.py:Paired"),
            r"models\.a: mine\.py:Paired needs overlapping crops .*, which crops of BOLD runs",
        ),
        (GraphModel("mine.py:Quiet", {"scal": 1}), r"models\.a\.options\.scal: expected one of .*did you mean scale"),
        (GraphModel("raw_fcs"), r"models\.a\.kind: there is no kind of row 'raw_fcs' \(did you mean raw_fc\?\)"),
        (GraphModel("random", encoder={"widow": 3}), r"models\.a\.encoder\.widow: expected one of .*did you mean window"),
        (GraphModel("tangent"), r"models\.a: models of kind tangent predict phenotypes only"),
    ],
)
def test_mistakes_are_refused_when_the_recipe_is_laid_out(mine, model, said):
    with pytest.raises(ConfigError, match=said):
        make_rows(recipe(a=model))


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_of_the_table_is_a_row(kind):
    assert issubclass(find_row("a", GraphModel(kind)), GraphRow)


def test_models_that_learn_are_refused_on_what_is_to_be_identified(mine):
    config = recipe(a=GraphModel("graph_infomax"), b=GraphModel("supervised_gin"), c=GraphModel("raw_fc"))
    config.pretrain.part = "all"
    rows, design = make_rows(config), designed(Runs.open(mine / "set"), config)
    assert design.is_transductive
    rows["a"].check(design)
    rows["c"].check(design)
    with pytest.raises(DataError, match="are to be identified"):
        rows["b"].check(design)


def test_windows_of_other_models_are_part_of_a_fingerprint(mine):
    """Segments suit all encoders: with another window next to it a model has other segments where volumes are censored."""
    (mine / "prepare.py").write_text("def recordings(data_root, limit): ...\n")

    def added(*windows: int) -> dict[str, object]:
        models = {f"m{window}": GraphModel("random", encoder={"window": window}) for window in windows}
        return {stage.name: stage.added for stage in stages(recipe(fc=GraphModel("raw_fc"), **models), mine)}

    assert added(20)["model_m20"] == {"dataset": "toy"} and added(20)["model_fc"] == {"windows": ((20, 10, 1),)}
    assert added(20, 30)["model_m20"] == {"dataset": "toy", "windows": ((20, 10, 1), (30, 10, 1))}
