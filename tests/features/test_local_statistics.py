import pytest
import torch

from audiossl.features.local_statistics import local_statistics


@pytest.mark.parametrize("hop", [1, 4, 7])
def test_moments_are_those_of_the_samples_around(hop):
    signal, lengths = torch.randn(3, 2, 30) * 3 + 5, torch.tensor([30, 17, 2])
    for row, length in enumerate(lengths.tolist()):
        signal[row, :, length:] = 0
    frames, counts = local_statistics(signal, lengths, hop)
    assert counts.tolist() == [max(1, length // hop) for length in lengths.tolist()]
    for row, (count, length) in enumerate(zip(counts.tolist(), lengths.tolist(), strict=True)):
        assert not frames[row, count:].any()
        for k in range(count):
            first, last = max(0, k * hop - hop // 2), min(length, (k + 1) * hop + hop // 2)
            around = signal[row, :, first:last].double()
            steps = signal[row, :, :length].double().diff()[:, max(0, first - 1) : last - 1]
            expected = [around.mean(1), around.std(1, correction=0).sqrt()]
            expected.append(steps.std(1, correction=0).sqrt() if steps.shape[1] else torch.zeros(2, dtype=torch.float64))
            torch.testing.assert_close(frames[row, k].double(), torch.cat(expected), rtol=1e-4, atol=1e-3)


def test_padding_and_the_batch_do_not_matter():
    signal = torch.randn(1, 3, 40)
    alone, _ = local_statistics(signal, torch.tensor([40]), 8)
    wide = torch.nn.functional.pad(signal, (0, 16)).repeat(2, 1, 1)
    frames, _ = local_statistics(wide, torch.tensor([40, 40]), 8)
    assert torch.allclose(frames[1, :5], alone[0], atol=1e-6) and not frames[:, 5:].any()
