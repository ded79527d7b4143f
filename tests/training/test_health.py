"""Health measures on representations whose health is known."""

from __future__ import annotations

import pytest
import torch

from audiossl.objectives.objective import Objective
from audiossl.objectives.window_batch import WindowBatch
from audiossl.training.health import code_perplexity, measure_health, rankme, unit_std


def window(value: int) -> WindowBatch:
    return WindowBatch.of(torch.full((1, 1, 1), float(value)))


def test_rankme_of_known_ranks():
    basis, _ = torch.linalg.qr(torch.randn(300, 16))
    assert rankme(basis) == pytest.approx(16, rel=1e-3)
    assert rankme(torch.randn(300, 1) @ torch.randn(1, 16)) == pytest.approx(1, abs=1e-3)
    assert rankme(torch.ones(300, 16)) == pytest.approx(1, abs=1e-3)  # centring would have hidden this collapse
    assert rankme(torch.zeros(5, 4)) == 0.0
    assert rankme(basis[:, :4] @ torch.eye(4, 16)) == pytest.approx(4, rel=1e-3)


def test_unit_std_of_spread_and_collapsed_frames():
    assert unit_std(torch.randn(4000, 32)) == pytest.approx(1, abs=0.02)
    assert unit_std(torch.rand(400, 1) * torch.randn(1, 32)) == pytest.approx(0, abs=1e-6)


def test_perplexity_of_known_histograms():
    codes = torch.stack([torch.arange(64) % 8, torch.zeros(64, dtype=torch.int64), torch.arange(64) % 2], dim=1)
    codes[:, 1] = 5
    assert code_perplexity(codes).tolist() == pytest.approx([8, 1, 2])
    assert code_perplexity(torch.tensor([[1], [1], [-100]])).tolist() == pytest.approx([1])


def test_measures_take_the_first_frames_only():
    class Fake(Objective):
        asked = 0

        def represent(self, batch):
            self.asked += 1
            return torch.full((10, 4), float(batch.signal)), {"speech": torch.full((10, 2), int(batch.signal))}

    fake = Fake()
    values = measure_health(fake, [window(number) for number in range(100)], max_frames=15)
    assert fake.asked == 2
    assert values["health_frames"] == 15
    assert values["speech_predicted_perplexity"] == pytest.approx(1.889882, rel=1e-4)  # 10 against 5
    assert measure_health(fake, [], 10) == {}
    assert measure_health(Objective(), [window(1)], 10) == {}, "shows nothing"
