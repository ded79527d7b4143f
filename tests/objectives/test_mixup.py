"""Mixup: labels mix as signals do, nothing leaks into padding, draws belong to items."""

from __future__ import annotations

import torch

from audiossl.objectives.mixup import mix_up

IDS = [f"item-{index}" for index in range(64)]


def batch():
    """Item i is the constant i + 1, of i + 10 samples; its tag is i."""
    lengths = torch.arange(10, 10 + len(IDS))
    signal = (torch.arange(73)[None] < lengths[:, None]) * torch.arange(1.0, 65.0)[:, None]
    return signal[:, None], lengths, torch.eye(len(IDS))


def test_labels_mix_as_signals_do():
    signal, lengths, targets = batch()
    mixed, labels = mix_up(signal, lengths, targets, IDS, 1, 0, probability=1.0)
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(64))
    assert (labels.diagonal() < 1).all() and ((labels > 0).sum(dim=1) == 2).all()  # oneself and one other
    # Linear in the items: before the shorter one ends, the signal is the labelled mean of the constants.
    torch.testing.assert_close(mixed[:, 0, :10], (labels @ torch.arange(1.0, 65.0))[:, None].expand(-1, 10))
    for row, length in enumerate(lengths.tolist()):
        other = int(labels[row].clone().index_fill_(0, torch.tensor([row]), 0.0).argmax())
        assert (mixed[row, 0, length:] == 0).all()
        rest = mixed[row, 0, int(lengths[other]) : length]  # the other has ended
        torch.testing.assert_close(rest, (labels[row, row] * (row + 1)).expand(len(rest)))


def test_shares_are_beta_and_the_probability_is_that_of_items():
    signal, lengths, targets = batch()
    shares = [mix_up(signal, lengths, targets, IDS, 1, epoch, probability=0.5)[1].diagonal() for epoch in range(20)]
    own = torch.cat(shares)
    mixed = own[own < 1]
    assert 0.45 < len(mixed) / len(own) < 0.55
    assert abs(mixed.mean() - 0.5) < 0.02 and abs(mixed.var() - 1 / (4 * 21)) < 0.003  # moments of Beta(10, 10)
    assert not torch.equal(shares[0], shares[1])
    assert torch.equal(shares[0], mix_up(signal, lengths, targets, IDS, 1, 0, probability=0.5)[1].diagonal())


def test_a_lone_item_and_probability_0_change_nothing():
    signal, lengths, targets = batch()
    assert mix_up(signal, lengths, targets, IDS, 1, 0, probability=0.0)[0] is signal
    assert mix_up(signal[:1], lengths[:1], targets[:1], IDS[:1], 1, 0, probability=1.0)[1].equal(targets[:1])
