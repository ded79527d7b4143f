import pytest
import torch
from torch.nn import functional

from audiossl.evaluation.superb.featuriser import Featuriser
from audiossl.evaluation.superb.heads.frame_ctc import FrameLinear, RecurrentCTC, ctc_loss, greedy_units, hide_and_warp
from audiossl.evaluation.superb.heads.utterance import UtteranceLinear


def test_the_weighted_sum():
    layers = torch.randn(3, 2, 5, 4)
    featuriser = Featuriser(3)
    torch.testing.assert_close(featuriser(layers), layers.mean(0))
    with torch.no_grad():
        featuriser.scores.copy_(torch.tensor([0.0, 1.0, 2.0]))
    weights = torch.tensor([1.0, torch.e, torch.e**2]) / (1 + torch.e + torch.e**2)
    torch.testing.assert_close(featuriser(layers), (weights[:, None, None, None] * layers).sum(0))
    assert featuriser.weights() == pytest.approx(weights.tolist())


def test_norms_and_single_layers():
    layers = 5 + 3 * torch.randn(3, 2, 5, 4)
    torch.testing.assert_close(Featuriser(3, normalise=True)(layers), functional.layer_norm(layers, (4,)).mean(0))
    for featuriser, layer in ((Featuriser(3, layer=2), 2), (Featuriser(1), 0)):
        assert torch.equal(featuriser(layers), layers[layer]) and not list(featuriser.parameters()) and featuriser.weights() == []


@pytest.mark.parametrize(
    "make", [UtteranceLinear, FrameLinear, RecurrentCTC, lambda d, k: RecurrentCTC(d, k, 16, projected=True)]
)
def test_padding_changes_nothing(make):
    torch.manual_seed(0)
    head = make(6, 4) if make in (UtteranceLinear, FrameLinear) else make(6, 4, *([32] if make is RecurrentCTC else []))
    head.eval()
    features, lengths = torch.randn(3, 9, 6), torch.tensor([9, 5, 2])
    together = head(features, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = head(features[row : row + 1, :length], lengths[row : row + 1])[0]
        torch.testing.assert_close(together[row] if alone.ndim == 1 else together[row, :length], alone, atol=1e-6, rtol=1e-5)


def test_the_head_of_clips_is_linear_in_the_mean():
    head = UtteranceLinear(6, 4)
    features = torch.randn(1, 7, 6)
    mean = features.mean(1, keepdim=True)
    torch.testing.assert_close(head(features, torch.tensor([7])), head(mean, torch.tensor([1])))


def test_what_specaugment_may_change():
    torch.manual_seed(0)
    features = torch.ones(2, 300, 80)
    features[1, 200:] = 0
    hidden = torch.zeros(2)
    for _ in range(40):
        changed = hide_and_warp(features, torch.tensor([300, 200]))
        assert changed.shape == features.shape and not changed[1, 200:].any()
        assert set(changed.unique().tolist()) <= {0.0, 1.0}  # of a constant nothing but what is hidden changes
        hidden += torch.tensor([(changed[row, :size] == 0).float().mean() for row, size in ((0, 300), (1, 200))])
    assert 0.5 < hidden[0] / 40 < 0.85  # four bands of 0 to 49 of 80 hide most
    short = hide_and_warp(torch.ones(4, 3, 80), torch.full((4,), 3))
    # No clip is as long as the widest stretch, so every stretch begins with the clip.
    assert short.shape == (4, 3, 80) and not short[:, 0].any()


def test_loss_and_decoding():
    logits = torch.full((2, 6, 3), -9.0)
    for frame, unit in enumerate([0, 1, 1, 0, 2, 2]):
        logits[0, frame, unit] = 9.0
    logits[1, :, 1] = 9.0
    assert greedy_units(logits, torch.tensor([6, 3])) == [[1, 2], [1]]
    assert greedy_units(logits, torch.tensor([3, 3])) == [[1], [1]]
    targets, sizes = torch.tensor([[1, 2], [1, 1]]), torch.tensor([2, 2])
    # The second needs three frames and has two: it counts as 0, the mean stays over both.
    loss = ctc_loss(logits, torch.tensor([6, 2]), targets, sizes)
    alone = ctc_loss(logits[:1], torch.tensor([6]), targets[:1], sizes[:1])
    torch.testing.assert_close(loss, alone / 2)
