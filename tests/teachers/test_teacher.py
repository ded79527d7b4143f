"""Teachers from their config."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import ConfigError, StoreError
from audiossl.teachers.teacher import TeacherConfig, load_teacher


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
    with pytest.raises(StoreError, match=r"config\.json"):
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
