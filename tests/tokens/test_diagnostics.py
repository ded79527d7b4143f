"""Measurements of a quantiser against closed forms."""

from __future__ import annotations

import json
import math

import pytest
import torch

from audiossl.tokens import MultiCodebookQuantizer, diagnose
from audiossl.tokens.diagnostics import code_use, codebook_correlation


def test_code_use_of_known_counts():
    codes = torch.tensor([[0, 0], [1, 0], [2, 0], [3, 0]], dtype=torch.uint8)
    entropy, dead = code_use(codes, 4)
    torch.testing.assert_close(entropy, torch.tensor([math.log(4), 0.0]))
    assert dead.tolist() == [0, 3]


def test_correlation_is_one_for_equal_and_zero_for_orthogonal_codebooks():
    centers = torch.zeros(3, 8, 6)
    centers[0, :, :3] = torch.randn(8, 3)
    centers[1] = 2 * centers[0] + 5
    centers[2, :, 3:] = torch.randn(8, 3)
    expected = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(codebook_correlation(centers), expected, rtol=1e-4, atol=1e-4)


def test_diagnosis_goes_to_json():
    frames = torch.randn(500, 6)
    result = diagnose(MultiCodebookQuantizer.fit(frames, 2, 8, progress=False, steps=3), frames)
    row = json.loads(json.dumps(result.to_json()))
    assert 0 < row["relative_error"] < 1 and row["num_frames"] == 500
    assert row["perplexity"] == pytest.approx([math.exp(value) for value in row["entropy"]])
    assert row["index_entropy_loss"] == pytest.approx(1 - sum(row["entropy"]) / 2 / math.log(8), abs=1e-6)
