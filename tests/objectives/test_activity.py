"""Where something happens."""

import torch

from audiossl.objectives.activity import activity_mask


def test_it_is_energy_above_its_mean_by_loops():
    signal, lengths = torch.randn(3, 2, 40), torch.tensor([40, 25, 7])
    signal[:, :, 10:16] *= 5
    for row, length in enumerate(lengths.tolist()):
        signal[row, :, length:] = 0
    found = activity_mask(signal, lengths, 3, threshold=0.8)
    for row, length in enumerate(lengths.tolist()):
        x = signal[row, :, :length]
        energy = (x - x.mean(1, keepdim=True)).square().sum(0)
        smooth = torch.stack([energy[max(0, t - 1) : t + 2].mean() for t in range(length)])
        assert found[row, :length].tolist() == (smooth >= 0.8 * smooth.mean()).tolist()
        assert not bool(found[row, length:].any())


def test_the_unit_and_an_offset_do_not_matter_and_silence_is_one():
    signal, lengths = torch.randn(1, 2, 40), torch.tensor([40])
    wanted = activity_mask(signal, lengths, 4)
    assert torch.equal(activity_mask(1e-3 * signal + 9.81e-3, lengths, 4), wanted) and 0 < int(wanted.sum()) < 40
    assert bool(activity_mask(torch.zeros(1, 2, 40), lengths, 4).all())
