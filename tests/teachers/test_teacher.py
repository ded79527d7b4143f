"""Teachers from their config."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from own_encoder import SOURCE

from audiossl.encoder_names import ENCODERS, OUTSIDE, WRITTEN, EncoderName, parse_name
from audiossl.errors import ConfigError
from audiossl.options import read_options, with_overrides
from audiossl.stage import deciding
from audiossl.teachers.teacher import (
    TeacherConfig,
    assumed_frame_rate,
    check_teacher,
    load_teacher,
    parse_teacher,
    teacher_digest,
)


@pytest.fixture
def hama(monkeypatch, tmp_path):
    """Loading hama builds log-mel frames in three layers instead, of the class that a wheel would give."""
    from audiossl.models.encoder import Frames
    from audiossl.teachers.hama import HamaConformer
    from audiossl.teachers.logmel import LogMelEncoder

    class Layered(LogMelEncoder):
        def __init__(self, last_layer):
            super().__init__(stride=2)
            self.num_layers = last_layer + 1

        def forward(self, signal, lengths):
            frames = super().forward(signal, lengths)
            return Frames.from_layers([frames.last + i for i in range(self.num_layers)], frames.lengths)

    asked = []

    def from_wheel(data_root, last_layer):
        asked.append((data_root, last_layer))
        return Layered(last_layer)

    monkeypatch.setattr(HamaConformer, "from_wheel", from_wheel)
    return asked


def test_hama_computes_no_more_than_is_read(hama, tmp_path):
    teacher = load_teacher(TeacherConfig(layer=2, data_root=tmp_path))
    assert hama == [(tmp_path, 2)] and (teacher.layer, teacher.description) == (2, "hama:2")
    assert load_teacher(TeacherConfig()).layer == 4
    layers = [load_teacher(TeacherConfig(layer=layer)).frames([torch.ones(3200)])[0] for layer in (0, 2)]
    assert torch.allclose(layers[1] - layers[0], torch.tensor(2.0))


def test_layer_out_of_range(hama):
    for config in (TeacherConfig(layer=5), TeacherConfig("logmel", layer=1), TeacherConfig("logmel", layer=-1)):
        with pytest.raises(ConfigError, match=rf"has layers 0 to \d; teacher.layer={config.layer} was asked for"):
            load_teacher(config)


@pytest.mark.parametrize("name, last", [("hama", 4), ("logmel", 0), ("resemblyzer", 2)])
def test_a_layer_that_a_name_rules_out_is_refused_before_anything_is_fetched(name, last):
    check_teacher(TeacherConfig(name, last))
    with pytest.raises(ConfigError, match=f"teacher {name} has layers 0 to {last}; teacher.layer=99 was asked for"):
        check_teacher(TeacherConfig(f"{name}:99"))


def test_hama_refuses_layers_before_it_reads_weights():
    from audiossl.teachers.hama import HamaConformer

    with pytest.raises(ConfigError, match="layer -1 was asked for"):
        HamaConformer({}, -1)


@pytest.mark.parametrize("kind", ["transformers", "audiossl"])
@pytest.mark.parametrize("name", [None, ""])
def test_missing_name(kind, name):
    with pytest.raises(ConfigError, match=f"teacher: expected a name with kind={kind}, for instance name="):
        read_options(TeacherConfig, {"kind": kind, "name": name}, "teacher")


def test_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        load_teacher(TeacherConfig(str(tmp_path)))


def test_clips_in_company_are_clips_alone():
    teacher = load_teacher(TeacherConfig("logmel"))
    assert teacher.frame_rate == 50 and teacher.description == "logmel:0"
    clips = [torch.randn(size) for size in (4000, 90, 16000, 321, 1)]
    together = teacher.frames(clips)
    for clip, frames in zip(clips, together, strict=True):
        alone = teacher.frames([clip])[0]
        assert frames.shape == alone.shape and (frames - alone).abs().max() < 1e-5
    assert [len(frames) for frames in together] == [13, 1, 50, 1, 1]
    assert teacher.frames([]) == []


def test_every_name_that_can_be_loaded_is_a_teacher_and_has_a_rate_for_the_dry_run(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setitem(ENCODERS, "class", replace(OUTSIDE, example="own_student.py:MyEncoder"))
    monkeypatch.setattr("audiossl.encoder_names.OUTSIDE", ENCODERS["class"])
    for kind, known in ENCODERS.items():
        text = known.kind if known.prefix == "" else f"{known.prefix or ''}{known.example}"
        config = parse_teacher(text, normalise=False)
        assert (config.kind, config.name or "", config.normalise) == (kind, known.example, False)
        assert parse_name(text) == (known, known.example, None)
        assert assumed_frame_rate(config) > 0
        assert known.kind == "audiossl" or known.written in WRITTEN
    assert assumed_frame_rate(TeacherConfig("logmel", options={"stride": 4})) == 25
    assert assumed_frame_rate(TeacherConfig("logmel")) == 50 and assumed_frame_rate(TeacherConfig("resemblyzer")) == 100


@pytest.mark.parametrize("known", [one for one in ENCODERS.values() if one.prefix is not None], ids=lambda one: one.kind)
def test_load_and_teachers_ask_the_same_loader(known, monkeypatch):
    """Of any name there is, and of one that is added later."""
    import audiossl
    from audiossl.teachers.logmel import LogMelEncoder

    asked = []
    monkeypatch.setattr(EncoderName, "load", lambda self, wanted: asked.append((self.kind, wanted.name)) or LogMelEncoder())
    text = f"{known.prefix or known.kind}{known.example}"
    assert audiossl.load(text).name == text
    assert load_teacher(parse_teacher(text)).description == f"{text}:0"
    assert asked == [(known.kind, known.example)] * 2


def test_clips_of_another_rate_are_resampled(monkeypatch):
    """Corpora have 16 kHz, and a model of telephone speech has 8."""
    from audiossl.teachers.logmel import LogMelEncoder

    monkeypatch.setattr(LogMelEncoder, "sample_rate", 8000.0)
    teacher = load_teacher(TeacherConfig("logmel", options={"stride": 1}))
    clip = torch.sin(torch.arange(16000) * 0.3)
    assert len(teacher.frames([clip], 16000)[0]) == 50 and len(teacher.frames([clip])[0]) == 100


def test_resemblyzer_is_a_teacher(monkeypatch):
    from audiossl.teachers.resemblyzer import Resemblyzer

    generator = torch.Generator().manual_seed(0)
    shapes = {"weight_ih": (1024, 40), "weight_hh": (1024, 256), "bias_ih": (1024,), "bias_hh": (1024,)}
    state = {
        f"lstm.{name}_l{layer}": 0.05
        * torch.randn(*((1024, 256) if layer and name == "weight_ih" else shape), generator=generator)
        for layer in range(3)
        for name, shape in shapes.items()
    }
    monkeypatch.setattr(Resemblyzer, "from_wheel", lambda data_root: Resemblyzer(state))
    teacher = load_teacher(parse_teacher("resemblyzer", layer=1))
    frames = teacher.frames([0.1 * torch.randn(4000, generator=generator)])[0]
    assert (teacher.description, teacher.frame_rate, tuple(frames.shape)) == ("resemblyzer:1", 100.0, (26, 256))
    halved = Resemblyzer({name: tensor.half() for name, tensor in state.items()})
    assert all(parameter.dtype == torch.float32 for parameter in halved.parameters())


@dataclass
class Recipe:
    """With a teacher, as recipes have one."""

    teacher: TeacherConfig = field(default_factory=TeacherConfig)


def read(values, *overrides: str) -> TeacherConfig:
    return read_options(Recipe, with_overrides(Recipe, values, overrides)).teacher


HF = TeacherConfig("hf:microsoft/wavlm-large", 21)


@pytest.mark.parametrize(
    ("values", "overrides", "expected"),
    [
        ({}, (), TeacherConfig()),
        ({"teacher": "hama:2"}, (), TeacherConfig("hama", 2)),
        ({"teacher": "hf:microsoft/wavlm-large:21"}, (), HF),
        ({"teacher": {"encoder": "hf:microsoft/wavlm-large:21"}}, (), HF),
        ({"teacher": {"kind": "transformers", "name": "microsoft/wavlm-large", "layer": 21}}, (), HF),
        ({"teacher": {"kind": "audiossl", "name": "hama"}}, (), TeacherConfig("./hama")),
        ({"teacher": "my_module:Mine:3"}, (), TeacherConfig("my_module:Mine", 3)),
        ({"teacher": "hama:2"}, ("teacher.layer=3",), TeacherConfig("hama", 3)),
        ({"teacher": "logmel"}, ("teacher.options.stride=4",), TeacherConfig("logmel", options={"stride": 4})),
        ({"teacher": {"kind": "hama", "layer": 2}}, ("teacher.encoder=logmel", "teacher.layer=0"), TeacherConfig("logmel", 0)),
        ({"teacher": {"encoder": "hama", "layer": 2}}, ("teacher.kind=logmel",), TeacherConfig("logmel", 2)),
        ({"teacher": {"kind": "hama", "layer": 1}}, ("teacher={encoder: logmel}",), TeacherConfig("logmel", 1)),
        ({"teacher": {"kind": "hama", "layer": 2}}, ("teacher=logmel",), TeacherConfig("logmel")),
        ({"teacher": "logmel"}, ("teacher={layer: 0}",), TeacherConfig("logmel", 0)),
        ({}, ("teacher.window_seconds=5",), TeacherConfig(window_seconds=5.0)),
    ],
)  # fmt: skip
def test_a_recipe_says_its_teacher_in_a_word_or_by_keys(values, overrides, expected):
    assert read(values, *overrides) == expected


@pytest.mark.parametrize(
    ("values", "overrides", "complaint"),
    [
        ({"teacher": {"kind": "logmle"}}, (), r"teacher.kind: expected one of 'logmel', .*'logmle' \(did you mean logmel\?\)"),
        ({"teacher": {"kind": "hama", "encoder": "logmel"}}, (), "teacher: expected encoder, or kind and name, got both"),
        ({"teacher": "hama:x"}, (), "teacher: expected the name of an encoder, got 'hama:x': expected hama, .* hama:9"),
        ({"teacher": "hama:x"}, ("teacher.layer=1",), "teacher: expected the name of an encoder"),
        ({"teacher": 3}, (), "teacher: expected a mapping of encoder, layer"),
        ({"teacher": {"encoder": "hama:2", "layer": 3}}, (), "expected one layer, got 2 in 'hama:2' and layer 3"),
        ({"teacher": {"layr": 3}}, (), r"teacher.layr: .*did you mean layer\?"),
    ],
)  # fmt: skip
def test_what_names_no_teacher_is_said_when_the_recipe_is_read(values, overrides, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read(values, *overrides)


def test_fingerprints_hold_the_teacher_as_they_always_did():
    earlier = {"kind": "transformers", "name": "microsoft/wavlm-large", "layer": 21, "normalise": True, "options": {}}
    assert deciding(HF) == {**earlier, "data_root": None}
    assert deciding(TeacherConfig("logmel"))["name"] is None
    assert deciding(replace(HF, window_seconds=5.0)) == {**earlier, "data_root": None, "window_seconds": 5.0}


def test_options_of_a_teacher_are_typed():
    assert load_teacher(TeacherConfig("logmel", options={"num_mel_bins": "40"})).embedder.dim == 40
    for config, complaint in (
        (TeacherConfig("logmel", options={"stirde": 1}), r"options.stirde: .*did you mean stride"),
        (TeacherConfig("logmel", options={"stride": "fast"}), "options.stride: expected a whole number, got 'fast'"),
        (TeacherConfig("hama", options={"stride": 1}), "hama takes no options, got stride"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            load_teacher(config)


def test_a_class_from_outside_is_a_teacher(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text((Path(__file__).parents[1] / "own_student.py").read_text())
    config = TeacherConfig(f"{file}:MyEncoder", 0, options={"dim": "6"})
    teacher = load_teacher(config)
    clip = 0.1 * torch.randn(16000)
    frames = teacher.frames([clip])[0]
    assert frames.shape == (50, 6) and torch.equal(load_teacher(config).frames([clip])[0], frames), "one name, one encoder"
    assert teacher.description == f"{file}:MyEncoder(dim=6):0" and assumed_frame_rate(config) == 50
    assert teacher.digest and teacher.digest == teacher_digest(config)
    file.write_text(file.read_text() + "# changed\n")
    assert teacher_digest(config) != teacher.digest


def test_sensor_and_connectivity_encoders_are_teachers(tmp_path):
    from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
    from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    from audiossl.models.sensor_encoder import SensorEncoder, SensorInput

    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes).save(tmp_path / "sensors")
    teacher = load_teacher(TeacherConfig(str(tmp_path / "sensors")))
    assert teacher.frames([torch.randn(2, 3000)])[0].shape[1] == 16 and teacher.digest
    config = ConnectivityConfig(window=10, stride=5, dim=8, num_layers=1)
    ConnectivityEncoder(["a", "b", "c"], 2.0, config).save(tmp_path / "bold")
    run = torch.randn(3, 400)  # 800 s, in which a window of 20 s would hold no graph
    assert load_teacher(TeacherConfig(str(tmp_path / "bold"))).frames([run])[0].shape == (79, 8)


def test_a_name_that_leads_to_nothing_is_refused_before_anything_is_loaded(hama, tmp_path):
    (tmp_path / "enc.py").write_text(SOURCE)
    own = f"{tmp_path}/enc.py"
    for name, said in {"logmell": r"did you mean logmel\?", "a/b/c": "no config.json", f"{own}:Nobody": "has no Nobody"}.items():
        with pytest.raises(ConfigError, match=said):
            check_teacher(TeacherConfig(name))
    for known in ("hama:2", "logmel", "hf:some/model:3", "some/repository", f"{own}:MyEncoder"):
        check_teacher(TeacherConfig(known))
    assert not hama
