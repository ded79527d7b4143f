"""Matches in other recordings: both metrics against loops, and what a batch gets."""

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.objectives.matches import DenseFrames, MatchConfig, Matcher, at_offsets, warped


def examples(seed, num=4, size=4, span=7):
    generator = torch.Generator().manual_seed(seed)
    similarity = 2 * torch.rand(num, size, span, generator=generator) - 1
    sizes = torch.randint(1, size + 1, (num,), generator=generator)
    counts = torch.maximum(torch.randint(2, span + 1, (num,), generator=generator), sizes)
    return similarity, sizes, counts


@pytest.mark.parametrize("seed", range(3))
def test_offsets_are_those_of_a_loop(seed):
    similarity, sizes, counts = examples(seed)
    scores, offsets = at_offsets(similarity, sizes, counts)
    for row, (size, count) in enumerate(zip(sizes.tolist(), counts.tolist(), strict=True)):
        found = {o: sum(float(similarity[row, i, i + o]) for i in range(size)) / size for o in range(count - size + 1)}
        assert float(scores[row]) == pytest.approx(max(found.values()), abs=1e-6)
        assert found[int(offsets[row])] == pytest.approx(max(found.values()), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_warping_is_that_of_a_loop(seed):
    similarity, sizes, counts = examples(seed)
    scores, first = warped(similarity, sizes, counts)
    for row, (size, count) in enumerate(zip(sizes.tolist(), counts.tolist(), strict=True)):
        cost = (1 - similarity[row]).tolist()
        table = [[(cost[0][j], j) for j in range(count)]]
        for i in range(1, size):
            line = []
            for j in range(count):
                ways = [table[i - 1][j], *([table[i - 1][j - 1], line[j - 1]] if j else [])]
                least, start = min(ways)
                line.append((least + cost[i][j], start))
            table.append(line)
        (least, start), end = min((cell, j) for j, cell in enumerate(table[-1]))
        assert float(scores[row]) == pytest.approx(1 - least / size, abs=1e-5)
        assert int(first[row]) in {max(0, min(round((start + end + 1 - size) / 2 + way), count - size)) for way in (-0.1, 0.1)}


def test_too_few_frames_are_no_match():
    score, _ = at_offsets(torch.ones(1, 3, 4), torch.tensor([3]), torch.tensor([2]))
    assert float(score) == -torch.inf


def planted(metric="cosine", **options):
    """Windows of noise; in the last of each of two recordings lies a stretch of window 0 of the first, from sample 8 on."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(8, 3, 40, generator=generator)
    values[7, :, 12:] = values[0, :, :28]
    lengths = torch.tensor([40, 40, 40, 30, 40, 40, 40, 40])
    for row, length in enumerate(lengths.tolist()):
        values[row, :, length:] = 0
    frames = values.unfold(2, 4, 4).flatten(3).transpose(1, 2).flatten(2)
    owners = ["a"] * 4 + ["b"] * 4
    matcher = Matcher(
        DenseFrames.of(frames, lengths // 4, 4), owners, range(8), MatchConfig(metric=metric, share=0.5, tries=40, **options)
    )
    return values, lengths, matcher


@pytest.mark.parametrize("metric", ["cosine", "dtw"])
def test_what_was_planted_is_found(metric):
    values, lengths, matcher = planted(metric, threshold=0.95)
    found = 0
    for epoch in range(8):
        crops, matched = matcher(values, lengths, [0, 1, 3], ["x", "y", "z"], (1, epoch))
        assert crops.lengths.tolist() == [[20, 20], [20, 20], [16, 16]] and crops.speed.eq(1).all()
        start = int(crops.start[0, 0])
        assert torch.equal(crops.signal[0, 0, :, :20], values[0, :, start : start + 20]) and start % 4 == 0
        assert bool(matched[0]) == (start <= 8), "the rest was not planted"
        if matched[0]:
            found += 1
            assert int(crops.start[0, 1]) == start + 12 and torch.equal(crops.signal[0, 0], crops.signal[0, 1])
        assert not matched[1:].any() and torch.equal(crops.signal[1, 0], crops.signal[1, 1]), "else it is its own match"
    assert 2 <= found < 8


def test_draws_are_of_the_item_whatever_its_batch():
    values, lengths, matcher = planted(threshold=-1.0)
    together, matched = matcher(values, lengths, [2, 0, 5], ["c", "a", "f"], (3, 1))
    alone, _ = matcher(values, lengths, [0], ["a"], (3, 1))
    assert bool(matched.all()) and torch.equal(together.start[1:2], alone.start)
    assert torch.equal(together.signal[1:2, :, :, :20], alone.signal)
    assert not torch.equal(matcher(values, lengths, [0], ["a"], (3, 2))[0].signal, alone.signal)


def test_a_match_is_of_another_owner_and_among_the_rows():
    values, lengths, _ = planted()
    frames = torch.randn(8, 10, 2)
    matcher = Matcher(DenseFrames.of(frames, lengths // 4, 4), list("aabbccdd"), [0, 1, 3, 4], MatchConfig(threshold=-1.0))
    drawn = {int(other) for epoch in range(9) for other in matcher._draw(3, torch.Generator().manual_seed(epoch))[2]}
    assert drawn == {0, 1, 4}
    only = Matcher(DenseFrames.of(frames, lengths // 4, 4), ["a"] * 8, range(8), MatchConfig(threshold=-1.0))
    crops, matched = only(values, lengths, [0, 1], ["x", "y"], (0, 0))
    assert not matched.any() and torch.equal(crops.signal[:, 0], crops.signal[:, 1])


def test_standardised_frames_have_nothing_in_common():
    frames = DenseFrames.of(torch.randn(50, 8, 3) * torch.tensor([1.0, 100.0, 0.0]) + 7, torch.full((50,), 8), 4).frames
    assert frames[..., 2].abs().max() == 0 and frames.norm(dim=2).sub(1).abs().max() < 1e-5
    assert frames.flatten(0, 1).mean(0).abs().max() < 0.2


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"tries": 0}, {"share": 0.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="expected matches with a threshold"):
        MatchConfig(**options)
