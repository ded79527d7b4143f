"""Outputs of the reference SPEAR implementation for small random weights, at 50 Hz and 25 Hz."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

from audiossl.lengths import pad_stack
from audiossl.models import hub

TOLERANCE = 5e-5
pytestmark = pytest.mark.parametrize("rate", ["50hz", "25hz"])


def features_of(values: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return pad_stack([values[f"fbank.{clip}"] for clip in range(3)], math.log(1e-10))


def test_reference_padding_equals_the_reference_everywhere(golden, rate):
    values = load_file(golden / f"spear-tiny-{rate}" / "io.safetensors")
    model = hub.load(golden / f"spear-tiny-{rate}", padding="reference")
    with torch.no_grad():
        out = model.forward_features(*features_of(values))
    assert out.last_lengths.tolist() == values["encoder_out_lens"].tolist()
    torch.testing.assert_close(out.last, values["encoder_out"], atol=TOLERANCE, rtol=0)
    assert len(out.layers) == 8
    for index, layer in enumerate(out.layers):
        torch.testing.assert_close(layer, values[f"hidden_states.{index}"], atol=TOLERANCE, rtol=0)


def test_invariant_padding_equals_the_reference_on_each_clip_alone(golden, rate):
    values = load_file(golden / f"spear-tiny-{rate}" / "io.safetensors")
    model = hub.load(golden / f"spear-tiny-{rate}")
    with torch.no_grad():
        out = model.forward_features(*features_of(values))
    for clip in range(3):
        expected = values[f"alone.{clip}"]
        assert int(out.last_lengths[clip]) == len(expected)
        torch.testing.assert_close(out.last[clip, : len(expected)], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("padding", ["invariant", "reference"])
def test_waveforms_give_the_reference_output(golden, rate, padding):
    values = load_file(golden / f"spear-tiny-{rate}" / "io.safetensors")
    model = hub.load(golden / f"spear-tiny-{rate}", padding=padding)
    with torch.no_grad():
        out = model(values["audio"][:, None], values["audio_lens"])
    for clip, length in enumerate(out.last_lengths.tolist()):
        expected = values["encoder_out"][clip, :length] if padding == "reference" else values[f"alone.{clip}"]
        torch.testing.assert_close(out.last[clip, :length], expected, atol=TOLERANCE, rtol=0)


def test_saved_again_it_is_the_published_folder(golden, rate, tmp_path):
    source = golden / f"spear-tiny-{rate}"
    hub.save(hub.load(source), tmp_path)
    ours, theirs = load_file(tmp_path / "model.safetensors"), load_file(source / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for key in theirs:
        left_over = key.endswith(".bypass_scale") and key.split(".")[-2].isdigit()
        assert left_over or torch.equal(ours[key], theirs[key]), key
        assert ours[key].shape == theirs[key].shape
