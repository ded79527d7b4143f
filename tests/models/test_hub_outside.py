"""The one way to save and load encoders: those of the table, and those from outside, which are imported only when trusted."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
import torch
from own_student import MyConfig, MyEncoder, Unsaved

import audiossl
from audiossl.errors import ConfigError, StoreError
from audiossl.kinds import Kind, find_kind
from audiossl.models import hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.run_folder import encoder_identity, local_path, weights_digest
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.models.zipformer import Zipformer

FILE = Path(__file__).parents[1] / "own_student.py"
# Written the moment that it is imported.
SPY = "from pathlib import Path\nPath({mark!r}).touch()\nclass Spy:\n    pass\n"


def sensor_encoder() -> SensorEncoder:
    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    return SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes, [1.0, -2.0], [3.0, 0.5])


def connectivity_encoder() -> ConnectivityEncoder:
    return ConnectivityEncoder(["a", "b", "c", "d"], 0.8, ConnectivityConfig(window=10, stride=5, dim=8, num_layers=1))


MAKE = {
    hub.SPEAR: lambda: Zipformer.from_preset("tiny", num_mel_bins=24, encoder_dim=[32] * 5, feedforward_dim=[32] * 5),
    hub.SENSOR: sensor_encoder,
    hub.CONNECTIVITY: connectivity_encoder,
    "own_student:MyEncoder": lambda: MyEncoder(MyConfig(dim=5)),
}


@pytest.mark.parametrize("model_type", MAKE)
def test_every_encoder_is_saved_and_loaded_alike(model_type, tmp_path):
    model = MAKE[model_type]()
    hub.save(model, tmp_path, {"subjects": ["a"]})
    about = json.loads((tmp_path / "config.json").read_text())
    assert (about["model_type"], about["pretrained_on"]) == (model_type, {"subjects": ["a"]})
    assert hub.read_model_type(tmp_path) == model_type == hub.model_type_of(model)
    trust = "own_student:MyEncoder" if ":" in model_type else False
    loaded = hub.load(tmp_path, trust_code=trust)
    assert type(loaded) is type(model) and not loaded.training
    for (key, value), (other, wanted) in zip(loaded.state_dict().items(), model.state_dict().items(), strict=True):
        assert key == other and torch.equal(value, wanted)


@pytest.mark.parametrize("model_type", MAKE)
def test_an_untrained_twin_has_the_sizes_and_other_weights(model_type):
    model = MAKE[model_type]()
    state = torch.random.get_rng_state()
    first, again, other = (hub.untrained_like(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state), "the draw of everything else stays"
    key = next(name for name, value in model.named_parameters() if value.ndim > 1)
    weights = [one.get_parameter(key) for one in (first, again, other, model)]
    assert torch.equal(weights[0], weights[1]) and not any(torch.equal(weights[0], weight) for weight in weights[2:])
    assert {key: value.shape for key, value in first.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_a_sensor_twin_reads_the_same_units_and_a_zipformer_pads_alike():
    model = sensor_encoder()
    assert torch.equal(hub.untrained_like(model, 1).mean, model.mean)
    zipformer = Zipformer.from_preset("tiny", "reference")
    assert hub.untrained_like(zipformer, 1).padding == "reference"
    with pytest.raises(ConfigError, match=r"not for a LogMelEncoder: .*set random=false"):
        hub.untrained_like(audiossl.load("logmel").encoder, 1)


def test_a_class_from_outside_is_trusted_by_the_caller_alone(tmp_path):
    model = MyEncoder(MyConfig(dim=5))
    folder = tmp_path / "run" / "pretrain" / "student"
    hub.save(model, folder)
    for refused in (folder, tmp_path / "run"):
        with pytest.raises(ConfigError, match=r"names the class own_student:MyEncoder.*nothing was imported.*trust_code=True"):
            audiossl.load(refused)
    run = tmp_path / "run"
    signal = 0.1 * torch.randn(4000)
    expected = audiossl.load(model).embed(signal).frames
    for embedder in (
        audiossl.load(run, trust_code=True),
        audiossl.load(run, trust_code=MyEncoder),
        audiossl.load(folder, trust_code="own_student:MyEncoder"),
        audiossl.load(f"own_student:MyEncoder@{run}"),
        audiossl.load(f"{FILE}:MyEncoder@{folder}"),
    ):
        assert torch.equal(embedder.embed(signal).frames, expected)
    with pytest.raises(ConfigError, match="is a own_student:MyEncoder, and Unsaved was given"):
        audiossl.load(run, trust_code=Unsaved)
    hub.save(MAKE[hub.SPEAR](), folder)
    with pytest.raises(ConfigError, match="holds a Zipformer, no own_student:MyEncoder"):
        audiossl.load(f"own_student:MyEncoder@{run}")


def test_a_class_from_a_file_is_saved_by_the_name_of_its_file(tmp_path, monkeypatch):
    model = audiossl.load(f"{FILE}:MyEncoder").encoder
    hub.save(model, tmp_path / "student")
    assert hub.read_model_type(tmp_path / "student") == "own_student.py:MyEncoder"
    assert audiossl.load(f"{FILE}:MyEncoder@{tmp_path / 'student'}").dim == 8
    monkeypatch.chdir(FILE.parent)
    assert audiossl.load(tmp_path / "student", trust_code=True).dim == 8


def test_what_does_not_say_what_it_is_made_from_needs_a_name(tmp_path):
    model = Unsaved(dim=3)
    with pytest.raises(ConfigError, match="Unsaved does not say what it is made from"):
        hub.save(model, tmp_path)
    model = Unsaved()
    hub.save(model, tmp_path, name="own_student:Unsaved")
    with pytest.raises(ConfigError, match="nothing was imported"):
        audiossl.load(tmp_path)
    loaded = audiossl.load(tmp_path, trust_code=True).encoder
    assert isinstance(loaded, Unsaved) and torch.equal(loaded.linear.weight, model.linear.weight)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "spy_module:Spy"},
        {"model_type": "FILE:Spy"},
        {"model_type": "audiossl_named", "name": "spy_module:Spy"},
        {"model_type": "audiossl_named", "name": "FILE:Spy@somewhere:3"},
        {"model_type": "spy_module.Spy"},
        {"model_type": "spear", "auto_map": {"AutoModel": "spy_module.Spy"}},
        {"model_type": ["spy_module:Spy"]},
    ],
)
def test_a_hostile_config_imports_nothing(config, tmp_path, monkeypatch):
    """The module is on the path, in the working directory and beside the weights, and none of it runs."""
    mark = tmp_path / "was_imported"
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "spy_module.py").write_text(SPY.format(mark=str(mark)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    hub.save(MAKE[hub.SPEAR](), folder)
    text = json.dumps(config).replace("FILE", str(tmp_path / "spy_module.py"))
    (folder / "config.json").write_text(text)
    for load in (hub.load, audiossl.load, weights_digest, lambda name: encoder_identity(str(name))):
        with contextlib.suppress(ConfigError, StoreError):
            load(folder)
        assert not mark.exists() and "spy_module" not in sys.modules
    if config["model_type"] == "spy_module:Spy":
        with pytest.raises(StoreError, match="holds no Spy that can be read"):
            hub.load(folder, trust_code=True)
        assert mark.exists(), "what is trusted is imported, so the test can fail"
        del sys.modules["spy_module"]


def test_digests_of_a_class_are_those_of_its_source_and_weights(tmp_path):
    file = tmp_path / "own_student.py"
    file.write_text(FILE.read_text())
    before = weights_digest(f"{file}:MyEncoder")
    hub.save(audiossl.load(f"{file}:MyEncoder").encoder, tmp_path / "student")
    trained = weights_digest(f"{file}:MyEncoder@{tmp_path / 'student'}")
    assert before and trained == before + weights_digest(tmp_path / "student")
    stamp = audiossl.load(f"{file}:MyEncoder").digest
    file.write_text(FILE.read_text() + "# another line\n")
    assert weights_digest(f"{file}:MyEncoder") != before
    assert audiossl.load(f"{file}:MyEncoder").digest != stamp, "stores of the one do not take frames of the other"
    assert encoder_identity(f"{file}:MyEncoder").startswith(f"{file}:MyEncoder ")


def test_the_table_holds_classes_that_are_there():
    for name, kind in hub.MODELS.items():
        assert isinstance(kind, Kind) and isinstance(find_kind(name, hub.MODELS, "model"), type)


def test_names_with_layers_and_classes_lead_to_their_folder(tmp_path):
    hub.save(MAKE[hub.SPEAR](), tmp_path / "student")
    student = tmp_path / "student"
    for name in (str(student), f"{student}:3", f"own_student:MyEncoder@{student}", f"hf:{student}:2"):
        assert local_path(name) == student
    assert local_path("logmel") is local_path("own_student:MyEncoder") is local_path("hf:") is local_path("a/b") is None
    assert weights_digest(f"{student}:3") == weights_digest(student) != ""
    assert encoder_identity(f"{student}:3") == f"{encoder_identity(str(student))}:3"
    assert audiossl.load(f"{student}:3").num_layers == 4
    with pytest.raises(ConfigError, match="expected a layer from 0 to 4, got 9"):
        audiossl.load(f"{student}:9")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("own_student:NoFeatures", "NoFeatures is no encoder: it lacks sample_rate.*audiossl.wrap makes one"),
        ("own_student:MyEncodr", r"has no MyEncodr \(did you mean MyEncoder\?\)"),
        ("no_such_module:X", "there is no module no_such_module"),
        ("own_student:dataclass", "function is no encoder: it lacks"),
    ],
)
def test_what_is_no_encoder_is_explained(name, complaint):
    with pytest.raises(ConfigError, match=complaint):
        audiossl.load(name)


def test_classes_and_functions_are_taken_as_objects():
    assert audiossl.load(MyEncoder).dim == audiossl.load(lambda: MyEncoder()).dim == 8
    embedder = audiossl.load("logmel")
    assert audiossl.load(embedder) is embedder
