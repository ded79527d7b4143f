"""What an export is made of: names that mean the same anywhere, objects that are saved, code that nobody imports unasked."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from own_encoder import SOURCE
from torch import nn

from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.exporters.hear import HearModel
from audiossl.exporters.s3prl import UpstreamExpert
from audiossl.exporters.source import absolute_name, model_source
from audiossl.load import load
from audiossl.models.encoder import Frames
from audiossl.verbs.export import export


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A working directory with an encoder in a file of its own, and one in a package."""
    (tmp_path / "own_enc_of_test.py").write_text(SOURCE)
    (tmp_path / "pack_of_test").mkdir()
    (tmp_path / "pack_of_test" / "__init__.py").touch()
    (tmp_path / "pack_of_test" / "enc.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("own_enc_of_test", "pack_of_test", "pack_of_test.enc"):
        sys.modules.pop(name, None)


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_names_mean_the_same_elsewhere(own, checkpoint, monkeypatch):
    file = f"{own / 'own_enc_of_test.py'}:MyEncoder"
    for name in ("own_enc_of_test.py:MyEncoder", "own_enc_of_test:MyEncoder"):
        source = model_source(name)
        assert (source.place, source.is_code) == (file, True) and own in source.search
    source = model_source("pack_of_test.enc:MyEncoder")
    assert source.place == "pack_of_test.enc:MyEncoder" and own in source.search
    assert absolute_name("own_enc_of_test.py:MyEncoder@weights") == f"{file}@{own / 'weights'}"
    (own / "wavlm").mkdir()
    assert absolute_name("hf:wavlm:3") == f"hf:{own / 'wavlm'}:3"
    assert absolute_name("hf:microsoft/wavlm-large:21") == "hf:microsoft/wavlm-large:21"
    monkeypatch.chdir(checkpoint.parent)
    assert model_source(checkpoint.name).place == str(checkpoint) and not model_source(checkpoint.name).search


def test_an_object_in_memory_is_saved_next_to_the_export(checkpoint, tmp_path):
    model = load(checkpoint)
    with torch.no_grad():
        next(model.encoder.parameters()).add_(0.1)  # no longer what its name leads to
    audio = 0.1 * torch.randn(1, 16000)
    path = export(model, "hear", tmp_path / "my_embed.py")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["my_embed.py", "my_embed_model"]
    again = imported(path).load_model()
    torch.testing.assert_close(again(audio)[0][0], HearModel(model)(audio)[0][0])
    upstream = export(model, "s3prl", tmp_path / "upstream")
    torch.testing.assert_close(UpstreamExpert(upstream).encoder.embed(audio).frames, model.embed(audio).frames)
    assert export(model, "hf", tmp_path / "hf") == tmp_path / "hf"


def test_an_object_of_a_name_is_exported_by_it_while_it_is_what_the_name_says(tmp_path):
    model = load("logmel")
    assert "MODEL = 'logmel'" in export(model, "hear", tmp_path / "my_embed.py").read_text()

    class Typed(nn.Module):
        sample_rate = frame_rate = last_frame_rate = 16000
        frame_offset, dim, num_layers, min_samples, alignment = 0.0, 1, 1, 1, 1

        def forward(self, signal, lengths):
            return Frames.from_layers([signal.transpose(1, 2)], lengths)

    with pytest.raises(ConfigError, match=r"object in memory.*cannot be saved.*write it to a module.*FILE\.py:MyEncoder"):
        export(Typed(), "hear", tmp_path / "other.py")
    assert not (tmp_path / "other.py").exists()


def test_an_object_of_ones_own_class_is_saved_with_the_place_of_its_class(own):
    model = load("own_enc_of_test.py:MyEncoder")
    with torch.no_grad():
        model.encoder.project.bias.add_(1.0)
    module = imported(export(model.encoder, "hear", own / "my_embed.py", pooling="mean+max"))
    assert f"{own / 'own_enc_of_test.py'}:MyEncoder@{own / 'my_embed_model'}" == module.MODEL
    audio = 0.1 * torch.randn(1, 16000)
    torch.testing.assert_close(module.load_model()(audio)[0][0], HearModel(model)(audio)[0][0])


def test_a_folder_that_names_code_makes_nothing_import_it(own, monkeypatch):
    upstream = export("own_enc_of_test.py:MyEncoder", "s3prl", own / "upstream")
    marker = own / "imported"
    (own / "own_enc_of_test.py").write_text(f"import pathlib\n\npathlib.Path({str(marker)!r}).touch()\n{SOURCE}")
    with pytest.raises(ConfigError, match=r"export\.json names code.*trust_code=True"):
        UpstreamExpert(upstream)
    assert not marker.exists()
    assert UpstreamExpert(upstream, trust_code=True).stride == 320 and marker.exists()
    assert imported(upstream / "hubconf.py").audiossl().stride == 320  # a script, which names itself
    with pytest.raises(ConfigError, match="names code"):
        imported(upstream / "hubconf.py").audiossl(ckpt=str(upstream))
    assert f"path_or_url {own / 'own_enc_of_test.py'}:MyEncoder" in (upstream / "README.md").read_text()


def test_x_ares_imports_one_class_of_the_file(own, capsys):
    assert main(["export", "xares", "logmel", "--out", "my_frames.py", "--layers", "0"]) == 0
    module = imported(Path("my_frames.py").absolute())
    encoder = module.MyFramesEncoder()
    assert (encoder.output_dim, encoder.layers) == (80, [0])
    assert encoder(torch.zeros(2, 16000)).shape[::2] == (2, 80)


def test_an_export_of_ones_own(own, capsys):
    (own / "my_export_of_test.py").write_text(
        "from dataclasses import dataclass\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Width:\n"
        "    times: int = 1\n\n"
        "    def write(self, source, output):\n"
        "        output.write_text(str(self.times * source.embedder.dim))\n"
        "        return output\n"
    )
    assert main(["export", "my_export_of_test.py:Width", "logmel", "--out", "width.txt", "times=2"]) == 0
    assert Path("width.txt").read_text() == "160"
    assert export("logmel", "my_export_of_test.py:Width", "width.txt", times=3).read_text() == "240"
    with pytest.raises(ConfigError, match="takes the options times, got tmes"):
        export("logmel", "my_export_of_test.py:Width", "width.txt", tmes=3)
    with pytest.raises(ConfigError, match=r"times: expected a whole number, got 'x'"):
        export("logmel", "my_export_of_test.py:Width", "width.txt", ["times=x"])
