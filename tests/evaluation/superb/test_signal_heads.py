import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.evaluation.superb.heads.diarization import (
    SpeakerActivity,
    active_frames,
    any_order_loss,
    decide,
    diarization_errors,
)
from audiossl.evaluation.superb.heads.masking import (
    SpectrumMasks,
    any_order_mask_loss,
    fit_frames,
    phase_sensitive_targets,
    scale_invariant_sdr,
    signal_of,
    spectrum,
)
from audiossl.evaluation.superb.heads.speaker_verification import MARGIN, REACH, SCALE, XVector, equal_error_rate


def test_embeddings_in_any_company():
    torch.manual_seed(0)
    head = XVector(6, 3, hidden=16).eval()
    features, lengths = torch.randn(3, 40, 6), torch.tensor([40, 22, 4])
    together = head(features, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = head(features[row : row + 1, :length], lengths[row : row + 1])[0]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-4)
    assert REACH == 14 and together.isfinite().all()


def test_the_margin():
    head = XVector(6, 3, hidden=4)
    embeddings, labels = torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    x = torch.nn.functional.normalize(head.second(embeddings).relu(), dim=1)
    cosines = x @ torch.nn.functional.normalize(head.speakers, dim=1).T
    cosines[torch.arange(5), labels] -= MARGIN
    expected = torch.nn.functional.cross_entropy(SCALE * cosines, labels)
    torch.testing.assert_close(head.margin_loss(embeddings, labels), expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=30))
def test_equal_error_rate_is_where_the_curves_meet(pairs):
    from sklearn.metrics import roc_curve

    scores, same = np.array([float(score) for score, _ in pairs]), np.array([same for _, same in pairs])
    if same.all() or not same.any():
        return
    alarms, hits, _ = roc_curve(same, scores, drop_intermediate=False)
    grid = np.linspace(0, 1, 20001)
    refused = 1 - np.interp(grid, alarms, hits) if len(set(alarms)) == len(alarms) else None
    found = equal_error_rate(scores, same)
    if refused is not None:
        assert found == pytest.approx(grid[np.argmin(np.abs(grid - refused))], abs=1e-3)
    assert 0 <= found <= 1 and equal_error_rate(-scores, ~same) == pytest.approx(found, abs=1e-9)


def test_error_rates_that_are_known():
    assert equal_error_rate(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False])) == 0
    assert equal_error_rate(np.array([3.0, 2.0, 1.0, 0.0]), np.array([False, False, True, True])) == 1
    assert equal_error_rate(np.zeros(6), np.array([True, False] * 3)) == 0.5


def test_activity_sees_the_past_only_and_orders_do_not_matter():
    torch.manual_seed(0)
    head = SpeakerActivity(5, 2, 8)
    features = torch.randn(2, 9, 5)
    logits = head(features, torch.tensor([9, 9]))
    torch.testing.assert_close(head(features[:, :4], torch.tensor([4, 4])), logits[:, :4])
    targets = torch.randint(2, (2, 9, 2)).float()
    loss = any_order_loss(logits, targets, torch.tensor([9, 5]))
    torch.testing.assert_close(any_order_loss(logits, targets.flip(2), torch.tensor([9, 5])), loss)
    best = [
        min(
            torch.nn.functional.binary_cross_entropy_with_logits(logits[i, :n], t[i, :n], reduction="sum")
            for t in (targets, targets.flip(2))
        )
        for i, n in enumerate((9, 5))
    ]
    torch.testing.assert_close(loss, sum(best) / 28)


def test_frames_of_segments():
    active = active_frames([("b", 0.0, 0.5), ("a", 0.26, 1.0)], 10, 10.0)
    assert active[:, 0].tolist() == [False] * 3 + [True] * 7 and active[:, 1].tolist() == [True] * 5 + [False] * 5
    assert active_frames([("a", 0.0, 9.0)], 4, 10.0).sum() == 4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_diarization_errors_frame_by_frame(seed):
    rng = np.random.default_rng(seed)
    truth, found = rng.random((12, 2)) < 0.5, rng.random((12, 2)) < 0.5
    expected = 10**9
    for order in itertools.permutations(range(2)):
        errors = 0
        for frame in range(12):
            given = {speaker for speaker in range(2) if truth[frame, order[speaker]]}
            made = {speaker for speaker in range(2) if found[frame, speaker]}
            missed, alarms = max(0, len(given) - len(made)), max(0, len(made) - len(given))
            errors += missed + alarms + min(len(given), len(made)) - len(given & made)
        expected = min(expected, errors)
    assert diarization_errors(found, truth) == (expected, truth.sum())


def test_decisions_are_smoothed():
    probabilities = np.array([0.1, 0.9, 0.1, 0.9, 0.9, 0.9, 0.1])[:, None]
    assert decide(probabilities, 0.5, 1)[:, 0].tolist() == [False, True, False, True, True, True, False]
    assert decide(probabilities, 0.5, 3)[:, 0].tolist() == [False, False, True, True, True, True, False]


def test_masks_in_any_company():
    torch.manual_seed(0)
    head = SpectrumMasks(5, 2, hidden=8).eval()
    features, lengths = torch.randn(2, 11, 5), torch.tensor([11, 6])
    together = head(features, lengths)
    assert together.shape == (2, 2, 11, 257) and (together >= 0).all()
    torch.testing.assert_close(together[1, :, :6], head(features[1:, :6], lengths[1:])[0], atol=1e-6, rtol=1e-5)
    assert fit_frames(features, 13).shape[1] == 13 and not fit_frames(features, 13)[:, 11:].any()
    assert torch.equal(fit_frames(features, 7), features[:, :7])


def test_spectra_and_back():
    signal = torch.randn(2, 4001)
    spectra = spectrum(signal, 160)
    assert spectra.shape == (2, 4001 // 160 + 1, 257)
    torch.testing.assert_close(signal_of(spectra, 160, 4001), signal, atol=1e-5, rtol=1e-4)


def test_targets_and_the_order_of_sources():
    torch.manual_seed(0)
    sources = torch.randn(1, 2, 3200)
    mixture, parts = spectrum(sources.sum(1), 320), spectrum(sources, 320)
    targets = phase_sensitive_targets(mixture, parts)
    angle = parts.angle() - mixture.angle()[:, None]
    torch.testing.assert_close(targets, (parts.abs() * angle.cos()).clamp(min=0), atol=1e-4, rtol=1e-3)
    lengths = torch.tensor([mixture.shape[1]])
    masks = targets / mixture.abs()[:, None]
    assert any_order_mask_loss(masks.flip(1), mixture, targets, lengths) < 1e-6
    silent = any_order_mask_loss(torch.zeros_like(masks), mixture, targets, lengths)
    torch.testing.assert_close(silent, targets.square().mean())


def test_ratio_of_signal_and_distortion():
    torch.manual_seed(0)
    truth, noise = torch.randn(16000), torch.randn(16000)
    noise -= noise.mean()
    truth -= truth.mean()
    noise -= (noise @ truth) / (truth @ truth) * truth
    estimate = 3 * truth + 0.3 * noise * truth.norm() / noise.norm()
    assert float(scale_invariant_sdr(estimate, truth)) == pytest.approx(20, abs=1e-2)
    assert float(scale_invariant_sdr(0.1 * estimate + 5, truth)) == pytest.approx(20, abs=1e-2)
    torchmetrics = pytest.importorskip("torchmetrics.functional.audio", reason="torchmetrics is not installed")
    theirs = torchmetrics.scale_invariant_signal_distortion_ratio(estimate, truth, zero_mean=True)
    torch.testing.assert_close(scale_invariant_sdr(estimate, truth), theirs, atol=1e-3, rtol=1e-4)
