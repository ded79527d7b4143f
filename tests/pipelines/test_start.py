"""Continued pre-training: where it starts, what it trains, and over which stages it goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from own_data import write_people
from torch import nn

import audiossl
from audiossl.errors import ConfigError, DataError
from audiossl.files import read_json
from audiossl.models import hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.models.zipformer import Zipformer
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.rows import make_rows
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.pipelines.spear.models import PretrainStage
from audiossl.pipelines.start import Start, train_norms_only
from audiossl.stage import deciding

KEYS = ["time=t", "channels=x,y,z", "label=activity", "person=subject"]
SIZES = ["encoder.width=8", "encoder.num_blocks=2", "encoder.dim=8", "models.simclr.dim=8", "task.fractions=[1.0]"]
TINY = [*SIZES, "training.max_steps=2", "windows.seconds=1.28"]
MODEL = "model_simclr/seed1-fold0/encoder"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(channels=3, dim=8):
    return ResNet1d(channels, 50.0, ResNet1dConfig(width=8, num_blocks=2, dim=dim))


def saved(folder, seed=0):
    torch.manual_seed(seed)
    SensorEncoder(small(), SensorInput(("x", "y", "z"), ("g",) * 3, 50.0)).save(folder)
    return folder


def test_nothing_is_asked_for():
    assert Start.of("", False) is None
    with pytest.raises(ConfigError, match=r"norm_only trains the norms .*say start=RUN"):
        Start.of("", True)


def test_weights_are_those_of_the_folder(desk):
    start = Start.of(str(saved(desk / "base")), False)
    encoder = small()
    start.begin(encoder)
    wanted = hub.load(desk / "base").encoder.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_the_weights_and_not_the_name_count(desk):
    one, two = Start.of(str(saved(desk / "a")), False), Start.of(str(saved(desk / "b")), False)
    assert deciding(one) == deciding(two) != deciding(Start.of(str(saved(desk / "c", seed=1)), False))
    assert deciding(one) != deciding(Start.of(str(desk / "a"), True))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (small(dim=16), r"start=base holds a ResNet1d of other sizes .*head\.weight \(8, 16\), expected \(16, 16\)"),
        (small(channels=6), r"other sizes .*stem\.weight"),
        (Zipformer.from_preset("tiny"), "start=base holds a ResNet1d, and a Zipformer is trained here"),
    ],
    ids=["width", "channels", "kind"],
)
def test_another_architecture_is_refused_by_name(desk, encoder, message):
    saved(desk / "base")
    with pytest.raises(ConfigError, match=message):
        Start.of("base", False).begin(encoder)


def test_what_is_not_there_is_refused(desk):
    with pytest.raises(ConfigError, match=r"start: 'nothing' holds no config\.json and is not a known name"):
        Start.of("nothing", False)
    (desk / "empty").mkdir()
    with pytest.raises(ConfigError, match="start=empty holds no weights"):
        Start.of("empty", False)


def test_norms_alone(desk):
    encoder = small()
    train_norms_only(encoder)
    trained = {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert trained and all("norm" in name for name in trained)
    zipformer = Zipformer.from_preset("tiny")
    train_norms_only(zipformer)
    assert {name.rpartition(".")[2] for name, p in zipformer.named_parameters() if p.requires_grad} <= {"bias", "log_scale"}
    with pytest.raises(ConfigError, match="a Linear has no normalisation"):
        train_norms_only(nn.Linear(2, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Zipformer.from_preset("tiny"),
        lambda: ConnectivityEncoder(list("abcd"), 2.0, ConnectivityConfig(10, 5, dim=8, num_layers=1)),
    ],
    ids=["zipformer", "connectivity"],
)
def test_students_and_graph_encoders_start_alike(desk, make):
    encoder, other = make(), make()
    hub.save(encoder, desk / "base")
    Start.of("base", False).begin(other)
    assert all(torch.equal(value, encoder.state_dict()[key]) for key, value in other.state_dict().items())


def test_only_a_start_is_part_of_what_decides(desk):
    """Recipes without one are hashed as they always were."""
    plain = PretrainStage.of(SpearRecipe("toy"))
    hub.save(Zipformer.from_preset("tiny"), desk / "base")
    started = PretrainStage.of(SpearRecipe("toy", start="base"))
    assert started.decides()[:-1] == plain.decides() and started.names() == (*plain.names(), "start")
    graphs = ConnectivityRecipe("toy", {"mae": GraphModel("connectivity_mae"), "random": GraphModel("random")})
    before, after = (make_rows(replace(graphs, start=start)) for start in ("", "base"))
    assert after["mae"].decides()[:-1] == before["mae"].decides() and after["mae"].names()[-1] == "start"
    assert deciding(after["random"].decides()) == deciding(before["random"].decides()), "which is not trained"


def test_a_run_continues_another_and_its_people_stay_unseen(desk):
    write_people(desk / "people", 4, seconds=6.0)
    base = run_pipeline(Path("simclr"), ["corpus=people", *KEYS, *TINY, "output=base"], last="model_simclr")
    more = ["corpus=people", *KEYS, *TINY, "start=base", "norm_only=true", "output=more"]
    run = run_pipeline(Path("simclr"), more, last="model_simclr")
    before, after = (hub.load(folder / MODEL).encoder.state_dict() for folder in (base, run))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("norm" in name for name in changed), "nothing but norms is trained"
    assert any("running_mean" in name for name in changed)
    assert read_json(run / MODEL / "config.json")["pretrained_on"]["start"]["dataset"] == "people"
    with pytest.raises(ConfigError, match="holds a ResNet1d of other sizes"):
        run_pipeline(Path("simclr"), [*more[:-1], "encoder.width=16", "output=wide"], last="model_simclr")
    with pytest.raises(DataError, match=r"was pre-trained on .* of those that fold 0 tests here"):
        run_pipeline(Path("simclr"), [*more[:-1], "seed=5", f"start={base / MODEL}", "output=other"], last="model_simclr")


def test_stages_follow_each_other(desk, capsys):
    write_people(desk / "many", 4, seconds=6.0)
    write_people(desk / "few", 3, seconds=6.0)
    stage = "{corpus: many, training.max_steps: 1}"
    keys = ["corpus=few", *KEYS, *TINY, f"stages=[{stage}, {{corpus: many}}]"]
    run_pipeline(Path("simclr"), keys, dry_run=True)
    assert "which is to be run first" in capsys.readouterr().err and not (desk / "runs").exists()
    run = run_pipeline(Path("simclr"), keys, last="model_simclr")
    origin = read_json(run / MODEL / "config.json")["pretrained_on"]
    assert origin["dataset"] == "few" and origin["start"]["dataset"] == "many" and origin["start"]["start"]["dataset"] == "many"
    assert {path.name for path in (run / "stages").iterdir()} == {"1", "2"}
    capsys.readouterr()
    run_pipeline(Path("simclr"), keys, last="model_simclr")
    assert capsys.readouterr().err.count("all stages are up to date") == 3
    run_pipeline(Path("simclr"), keys, last="model_simclr", verify=True)
    assert capsys.readouterr().err.count("as recorded") == 10
    assert audiossl.load(run / MODEL).takes.channels == ("x", "y", "z")
    with pytest.raises(DataError, match=r"was pre-trained on .* of those that fold 0 tests here"):
        back = ["corpus=many", *KEYS, *TINY, "seed=5", f"start={run / MODEL}", "output=back"]
        run_pipeline(Path("simclr"), back, last="model_simclr")
    with pytest.raises(ConfigError, match=r"stages\[1\]: corpsu"):
        run_pipeline(Path("simclr"), [*keys[:-1], "stages=[{corpsu: many}]", "output=x"])
    with pytest.raises(ConfigError, match=r"stages\[1\]: expected keys of the recipe other than stages and output"):
        run_pipeline(Path("simclr"), [*keys[:-1], "stages=[{output: many}]", "output=x"])
