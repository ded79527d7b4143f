import torch

from audiossl.features.rich_pooling import rich_pooling
from audiossl.models.encoder import Frames
from audiossl.objectives.pooling import mean_frame, pool_frames


def test_moments_are_those_of_the_valid_frames():
    x, lengths = torch.randn(3, 9, 5), torch.tensor([9, 4, 1])
    found = rich_pooling(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        valid = x[row, :length]
        expected = [valid.mean(0), valid.std(0, correction=0), valid.amax(0), (valid > 0).float().mean(0)]
        torch.testing.assert_close(found[row], torch.cat(expected))


def test_padding_does_not_matter_even_where_it_is_not_finite():
    x, lengths = torch.randn(2, 6, 3), torch.tensor([6, 6])
    padded = torch.cat([x, torch.full((2, 4, 3), torch.nan)], dim=1)
    torch.testing.assert_close(rich_pooling(padded, lengths), rich_pooling(x, lengths), rtol=1e-6, atol=1e-6)


def test_the_mean_is_what_it_was():
    frames = Frames.from_layers([torch.randn(2, 6, 3)], torch.tensor([6, 2]))
    assert torch.equal(pool_frames(frames), mean_frame(frames))
    assert torch.equal(pool_frames(frames, "rich")[:, :3], mean_frame(frames))
