"""Exports by the command, in processes of their own: the type checks of the tests cannot be traced. A minute each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiossl
from audiossl.cli import main
from audiossl.exporters.onnx_forms import make_form
from audiossl.models import Zipformer, ZipformerConfig, hub
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package)
DOCUMENT = Path(__file__).parents[2] / "docs" / "onnx.md"
WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['audiossl'] = None\n"


def export(model, output, *options):
    """The report of an export."""
    command = [sys.executable, "-m", "audiossl", "export", "onnx", str(model), "--out", str(output), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert said[0] == str(output) and "largest error" in said[1], done.stdout
    return json.loads(output.with_suffix(".parity.json").read_text())


@pytest.fixture(scope="module")
def student(checkpoint, tmp_path_factory):
    """A graph with all layers, and its report."""
    path = tmp_path_factory.mktemp("onnx") / "student.onnx"
    return path, export(checkpoint, path, "--layers", "all")


@pytest.fixture(scope="module")
def sensors(tmp_path_factory):
    """Folder of an encoder of six channels whose normalisation is not trivial."""
    torch.manual_seed(0)
    takes = SensorInput(tuple("abcdef"), ("g",) * 6, 50.0)
    network = ResNet1d(6, 50.0, ResNet1dConfig(width=8, num_blocks=8, dim=12)).train()
    network(torch.randn(4, 6, 300), torch.full((4,), 300))  # statistics of its own in the norms
    folder = tmp_path_factory.mktemp("sensors") / "model"
    SensorEncoder(network, takes, [0.5] * 6, [0.2] * 6).save(folder)
    return folder


@pytest.mark.slow
def test_every_layer_at_every_residue_is_that_of_torch(student, checkpoint):
    path, report = student
    assert {size["residue"] for size in report["sizes"]} == set(range(8))  # 4 frames of 50 Hz: 8 of log-mel
    assert report["outputs"] == ["frames", "frame_lengths", "layer_0", "layer_1", "layer_2", "layer_lengths"]
    assert max(size["max_error"] for size in report["sizes"]) < 1e-4
    written = path.read_bytes()
    assert not any(str(place).encode() in written for place in (checkpoint.parent, DOCUMENT.parents[1], Path(sys.prefix)))
    model, graph = audiossl.load(checkpoint), audiossl.load(f"onnx:{path}")
    assert (graph.num_layers, graph.frame_rate, graph.min_samples) == (3, 50, 1360)
    clips = [0.1 * torch.randn(size) for size in (1360, 16000, 5301)]
    for ours, theirs in zip(graph.embed(clips, layers="all"), model.embed(clips, layers="all"), strict=True):
        torch.testing.assert_close(ours.frames, theirs.frames, atol=1e-4, rtol=0)
        assert np.array_equal(ours.times, theirs.times)


@pytest.mark.slow
def test_the_example_of_the_document_runs_without_torch(student, tmp_path, checkpoint):
    path, _ = student
    signal = np.random.default_rng(0).normal(size=20000).astype(np.float32) / 10
    soundfile.write(tmp_path / "clip.wav", signal, 16000, subtype="FLOAT")
    (tmp_path / "student.onnx").write_bytes(path.read_bytes())
    example = DOCUMENT.read_text().partition("```python\n")[2].partition("```")[0]
    assert len(example.splitlines()) <= 10
    code = f"{WITHOUT_TORCH}{example}\nnumpy.save('frames.npy', frames[0, :counts[0]]); numpy.save('times.npy', times)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = audiossl.load(checkpoint).embed(signal)
    np.testing.assert_allclose(np.load(tmp_path / "frames.npy"), wanted.frames, atol=1e-4)
    np.testing.assert_allclose(np.load(tmp_path / "times.npy"), wanted.times, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "cosine"), [("float16", 0.999), ("int8", 0.99)])
def test_features_go_in_and_lower_precision_is_reported(checkpoint, tmp_path, precision, cosine, student):
    path = tmp_path / "student.onnx"
    report = export(checkpoint, path, "form=features", f"precision={precision}")
    assert report["precision"] == precision and report["tone"] is None
    assert cosine < min(size["cosine"] for size in report["sizes"]) < 1
    clips = [0.1 * torch.randn(size) for size in (16000, 5301)]
    graph, model = audiossl.load(f"onnx:{path}"), audiossl.load(checkpoint)
    for together, clip in zip(graph.embed(clips), clips, strict=True):
        wanted, alone = model.embed(clip).frames, graph.embed(clip).frames
        assert torch.cosine_similarity(together.frames, wanted).min() > cosine
        # Where a number lies on the edge between two steps, rounding of the layer before decides.
        assert torch.cosine_similarity(together.frames, alone).min() > cosine


@pytest.mark.slow
def test_chunks_the_published_front_end_and_an_output_at_half_the_rate(tmp_path):
    torch.manual_seed(0)
    two = (16, 16)
    config = ZipformerConfig(
        num_mel_bins=16, output_downsampling_factor=2, downsampling_factor=(1, 2), num_encoder_layers=(1, 1), feedforward_dim=two,
        encoder_dim=two, encoder_unmasked_dim=two, cnn_module_kernel=(7, 5), num_heads=(2, 2), query_head_dim=8, value_head_dim=4,
        causal=True, chunk_size=(8,), left_context_frames=(16,),
    )  # fmt: skip
    hub.save(Zipformer(config), tmp_path / "model")
    path = tmp_path / "causal.onnx"
    report = export(tmp_path / "model", path, "--layers", "1")
    assert max(size["max_error"] for size in report["sizes"]) < 1e-4
    assert len({size["residue"] for size in report["sizes"]}) == 16  # of a chunk
    graph, model = audiossl.load(f"onnx:{path}"), audiossl.load(tmp_path / "model")
    assert (graph.num_layers, graph.frame_rate, graph.last_frame_rate) == (1, 50, 25)
    signal = 0.1 * torch.randn(12345)
    for layers, own in (("last", "last"), ("all", [1])):
        ours, theirs = graph.embed(signal, layers=layers), model.embed(signal, layers=own)
        torch.testing.assert_close(ours.frames, theirs.frames, atol=1e-4, rtol=0)
        assert np.allclose(ours.times, theirs.times)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_sensors(sensors, tmp_path, precision):
    path = tmp_path / "sensors.onnx"
    report = export(sensors, path, f"precision={precision}")
    assert {size["residue"] for size in report["sizes"]} == set(range(16))
    limit = 1e-4 if precision == "float32" else 0.5
    assert max(size["max_error"] for size in report["sizes"]) < limit
    graph, model = audiossl.load(f"onnx:{path}"), audiossl.load(sensors)
    assert str(graph.takes) == str(model.takes)
    signal = torch.randn(6, 333)
    signal[2, 40:60] = torch.nan
    torch.testing.assert_close(graph.embed(signal).frames, model.embed(signal).frames, atol=limit, rtol=0)


@pytest.mark.slow
def test_connectivity(tmp_path):
    torch.manual_seed(0)
    names = [f"region {i}" for i in range(12)]
    encoder = ConnectivityEncoder(names, 2.0, ConnectivityConfig(20, 6, dim=16, num_layers=3, readout="sero"))
    encoder.save(tmp_path / "model")
    path = tmp_path / "brain.onnx"
    report = export(tmp_path / "model", path, "--layers", "all")
    assert {size["residue"] for size in report["sizes"]} == set(range(6))
    assert max(size["max_error"] for size in report["sizes"]) < 1e-4
    graph = audiossl.load(f"onnx:{path}")
    assert graph.takes.channels == tuple(names) and graph.num_layers == 3
    runs = [torch.randn(12, 90).cumsum(1), torch.randn(12, 43).cumsum(1)]
    runs[0][:, 30:43] = torch.nan
    for ours, theirs in zip(graph.embed(runs), encoder_frames(encoder, runs), strict=True):
        torch.testing.assert_close(ours.frames, theirs, atol=1e-4, rtol=0)


def encoder_frames(encoder, runs):
    return [found.frames for found in audiossl.load(encoder).embed(runs)]


def test_what_cannot_be_exported_is_refused_before_it_is_tried(tmp_path, sensors, capsys):
    for arguments, said in (
        (
            [str(sensors), "--out", str(tmp_path / "x.onnx"), "form=features"],
            "a SensorEncoder has no form 'features', it has signal",
        ),
        ([str(sensors), "--out", str(tmp_path / "x")], "expected a file such as model.onnx, got x"),
        ([str(sensors), "--out", str(tmp_path / "x.onnx"), "precision=int4"], "'float32', 'float16', 'int8'"),
        ([str(sensors), "--out", str(tmp_path / "x.onnx"), "--layers", "3"], "expected layers"),
    ):
        assert main(["export", "onnx", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_batch_of_features_is_that_of_the_waveforms(checkpoint):
    """What `make_form` makes of clips, of every form."""
    model = audiossl.load(checkpoint)
    clips = [0.1 * torch.randn(1, size) for size in (3000, 1901)]
    wanted = [model.embed(clip[0]).frames for clip in clips]
    for name in ("waveform", "features"):
        form = make_form(model, name)
        frames = form(*form.batch(clips))
        for row, one in enumerate(wanted):
            torch.testing.assert_close(frames.last[row, : len(one)], one, atol=1e-4, rtol=0)
