"""Teachers from their config."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from audiossl.encoder_names import ENCODERS, WRITTEN, EncoderName, parse_name
from audiossl.errors import ConfigError
from audiossl.teachers.teacher import Kind, TeacherConfig, assumed_frame_rate, load_teacher, parse_teacher


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


def test_hama_refuses_layers_before_it_reads_weights():
    from audiossl.teachers.hama import HamaConformer

    with pytest.raises(ConfigError, match="layer -1 was asked for"):
        HamaConformer({}, -1)


@pytest.mark.parametrize("kind", ["transformers", "audiossl"])
@pytest.mark.parametrize("name", [None, ""])
def test_missing_name(kind, name):
    with pytest.raises(ConfigError, match=f"teacher.kind={kind} needs a name, for instance teacher.name="):
        load_teacher(TeacherConfig(kind, name=name))


def test_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        load_teacher(TeacherConfig("audiossl", name=str(tmp_path)))


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


def test_every_name_that_can_be_loaded_is_a_teacher_and_has_a_rate_for_the_dry_run():
    assert get_args(Kind) == ("hama", "logmel", "resemblyzer", "transformers", "dasheng", "audiossl")
    assert set(get_args(Kind)) == set(ENCODERS)
    for kind, known in ENCODERS.items():
        text = known.kind if known.prefix == "" else f"{known.prefix or ''}{known.example}"
        config = parse_teacher(text, normalise=False)
        assert (config.kind, config.name or "", config.normalise) == (kind, known.example, False)
        assert parse_name(text) == (known, known.example, None)
        assert assumed_frame_rate(config) > 0
        assert known.prefix is None or known.written in WRITTEN
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
