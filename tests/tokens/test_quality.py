"""Token quality: Shannon's bound in closed form, agreement with labels by hand, dead and duplicate codebooks."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.tokens import KMeansQuantizer, MultiCodebookQuantizer
from audiossl.tokens.diagnostics import find_problems
from audiossl.tokens.quality import label_agreement, measure_quality, shannon_error


@pytest.mark.parametrize(("dim", "bits"), [(1, 1.0), (4, 8.0), (64, 32.0), (1024, 128.0)])
def test_white_frames_leave_what_the_closed_form_says(dim, bits):
    error, level = shannon_error(torch.full((dim,), 1 / dim), bits)
    assert error == pytest.approx(2 ** (-2 * bits / dim), rel=1e-5) and level == pytest.approx(error / dim, rel=1e-5)


def test_water_covers_small_axes():
    # 2 bits on variances 0.8 and 0.2 - e, and an axis under water: w = sqrt(v1 v2) / 4.
    shares = torch.tensor([0.79, 0.2, 0.01])
    error, level = shannon_error(shares, 2.0)
    assert level == pytest.approx(math.sqrt(0.79 * 0.2) / 4, rel=1e-5) and error == pytest.approx(2 * level + 0.01, rel=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=30), st.floats(0.0, 100.0))
def test_the_level_spends_exactly_the_bits(variances, bits):
    shares = torch.tensor(sorted(variances, reverse=True), dtype=torch.float64)
    shares /= shares.sum()
    _, level = shannon_error(shares.float(), bits)
    spent = (0.5 * (shares.float().double() / level).log2()).clamp_min(0).sum()
    assert float(spent) == pytest.approx(bits, rel=1e-6, abs=1e-6)


def test_agreement_by_hand():
    codes = torch.tensor([[0, 0], [0, 1], [1, 2], [1, 3], [2, 0]], dtype=torch.uint8)
    found = label_agreement(codes, "phones", ["a", "a", "b", "b", None], 4)
    assert found is not None
    assert (found.num_labels, found.num_frames, found.chance_purity) == (2, 4, 0.5)
    assert found.purity == [1.0, 1.0] and found.pnmi == pytest.approx([1.0, 1.0])
    useless = label_agreement(torch.zeros(4, 1, dtype=torch.uint8), "phones", ["a", "a", "b", "b"], 4)
    assert useless is not None and useless.purity == [0.5] and useless.pnmi == [0.0]
    half = label_agreement(torch.tensor([[0], [0], [0], [1]]), "phones", ["a", "a", "b", "b"], 2)
    assert half is not None and half.purity == [0.75]
    assert half.pnmi[0] == pytest.approx(1 - (0.75 * (2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(3))) / math.log(2))
    assert label_agreement(codes, "phones", [None] * 5, 4) is None
    with pytest.raises(DataError, match="5 frames, got 2"):
        label_agreement(codes, "phones", ["a", "b"], 4)


def test_no_quantiser_beats_the_bound_on_gaussian_frames():
    frames = torch.randn(20000, 6) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])
    quantiser = MultiCodebookQuantizer.fit(frames[:16000], 2, 16, normalise=False, progress=False)
    quality = measure_quality(quantiser, frames[16000:], 50.0, "noise", labels=("half", ["x"] * 2000 + ["y"] * 2000))
    assert quality.shannon_error < quality.diagnostics.relative_error < 2.5 * quality.shannon_error
    errors = {search.quality: search.relative_error for search in quality.searches}
    assert errors["fast"] >= errors["default"] >= errors["best"] - 1e-6
    assert quality.bytes_per_hour == 3600 * 50 * 2
    assert sum(quality.counts[0]) == 4000 and quality.diagnostics.problems == []
    assert quality.labels is not None and max(quality.labels.pnmi) < 0.05  # labels are unrelated to frames
    flat = json.loads(json.dumps(quality.to_json()))
    assert flat["relative_error"] == quality.diagnostics.relative_error and flat["quantiser"]["id"] == quantiser.id


def test_other_kinds_are_measured_too():
    frames = torch.randn(2000, 4)
    quality = measure_quality(KMeansQuantizer.fit(frames, 1, 300), frames, 25.0, "noise", held_out=False)
    assert quality.bytes_per_hour == 3600 * 25 * 2 and quality.labels is None and not quality.held_out
    with pytest.raises(DataError, match="no frames"):
        measure_quality(KMeansQuantizer.fit(frames, 1, 8), frames[:0], 25.0, "noise")


def test_dead_and_duplicate_codebooks_are_named():
    entropy = torch.tensor([0.01, 3.0, 3.0])
    correlation = torch.eye(3)
    correlation[1, 2] = correlation[2, 1] = 0.99
    problems = find_problems(entropy, correlation, dim=64)
    assert len(problems) == 2 and "codebook 1 is dead" in problems[0] and "2 and 3" in problems[1]
    assert len(find_problems(entropy, correlation, dim=3)) == 1  # three codebooks in three dimensions must share
