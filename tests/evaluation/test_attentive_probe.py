"""A probe that chooses frames and layers: its limits, padding, and what it finds where a mean of frames does not."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import DataError
from audiossl.evaluation.attentive_probe import AttentiveProbe, fit_attentive_probe


def generator(seed: int = 0) -> torch.Generator:
    """Draws of a seed."""
    return torch.Generator().manual_seed(seed)


def probe_of(num_layers: int = 2, dim: int = 6, num_classes: int = 3) -> AttentiveProbe:
    """A probe whose weights are drawn."""
    probe = AttentiveProbe(torch.zeros(num_layers, 1, dim), torch.ones(num_layers, 1, dim), num_classes, generator())
    torch.nn.init.normal_(probe.classifier.weight, generator=generator(1))
    torch.nn.init.normal_(probe.queries, generator=generator(2))
    return probe


def items(place: int | None, count: int = 120, num_layers: int = 1) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Noise of 16 frames whose class is in the second channel of one frame, marked in the first: at `place`, or anywhere."""
    y = torch.arange(count) % 2
    draws, frames = generator(3), []
    for number in range(count):
        one = torch.randn(num_layers, 16, 4, generator=draws)
        marked = int(torch.randint(16, (), generator=draws)) if place is None else place
        one[-1, :, 1] *= 3.0
        one[-1, marked, :2] = torch.tensor([8.0, 2.0 if y[number] else -2.0])
        frames.append(one)
    return frames, y


def test_frames_that_are_equal_leave_nothing_to_attend_to():
    probe, frame = probe_of(), torch.randn(3, 2, 1, 6, generator=generator(4))
    mixed = torch.einsum("l,bld->bd", probe.gate.softmax(0), frame[:, :, 0])
    expected = probe.classifier(mixed.repeat(1, 5))
    torch.testing.assert_close(probe(frame.expand(-1, -1, 7, -1), torch.tensor([7, 7, 7])), expected)


def test_padding_and_the_order_of_frames_change_nothing():
    probe, frames = probe_of(), torch.randn(2, 2, 9, 6, generator=generator(5))
    lengths = torch.tensor([9, 4])
    padded = probe(frames, lengths)
    torch.testing.assert_close(padded[1:], probe(frames[1:, :, :4], torch.tensor([4])))
    torch.testing.assert_close(padded[:1], probe(frames[:1].flip(2), torch.tensor([9])))


def test_a_slow_second_implementation_agrees():
    probe, frames = probe_of().requires_grad_(False), torch.randn(1, 2, 5, 6, generator=generator(6))
    gate = probe.gate.softmax(0)
    mixed = [gate[0] * frames[0, 0, time] + gate[1] * frames[0, 1, time] for time in range(5)]
    parts = [torch.stack(mixed).mean(0)]
    for query in probe.queries:
        weights = torch.stack([query @ frame / 6**0.5 for frame in mixed]).softmax(0)
        parts.append(torch.stack([weight * frame for weight, frame in zip(weights, mixed, strict=True)]).sum(0))
    expected = probe.classifier.weight @ torch.cat(parts) + probe.classifier.bias
    torch.testing.assert_close(probe(frames, torch.tensor([5]))[0], expected)


def test_it_finds_the_frame_that_a_mean_hides_and_the_layer_that_has_it():
    frames, y = items(None, 240, num_layers=2)
    fitted = fit_attentive_probe(
        (lambda number: frames[number], y[:160]), (lambda number: frames[160 + number], y[160:200]), 2, generator
    )
    right = (fitted.predict(lambda number: frames[200 + number], 40) == y[200:]).float().mean()
    means = torch.stack([one[-1].mean(0) for one in frames])
    weights = torch.linalg.lstsq(torch.cat([means[:160], torch.ones(160, 1)], 1), 2.0 * y[:160, None] - 1).solution
    by_mean = ((torch.cat([means[200:], torch.ones(40, 1)], 1) @ weights)[:, 0] > 0) == (y[200:] == 1)
    assert float(right) > 0.9 > float(by_mean.float().mean())
    assert fitted.gate[1] > 0.6


def test_equal_draws_give_an_equal_probe():
    frames, y = items(3, 40)
    fits = [fit_attentive_probe((frames.__getitem__, y), (frames.__getitem__, y), 2, generator, steps=4) for _ in range(2)]
    assert torch.equal(fits[0].probe.queries, fits[1].probe.queries) and fits[0].decay == fits[1].decay


def test_what_cannot_be_fitted_is_refused():
    frames, y = items(3, 8)
    with pytest.raises(DataError, match="validation side"):
        fit_attentive_probe((frames.__getitem__, y), (frames.__getitem__, y[:0]), 2, generator)
    broken = [one * torch.nan for one in frames]
    with pytest.raises(DataError, match="NaN"):
        fit_attentive_probe((broken.__getitem__, y), (frames.__getitem__, y), 2, generator)
