import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.windows.ranking import WindowRanking


def perfect_fold(name, share, size=1000, offset=0.0):
    """One person whose windows are all ranked right, a share of them of class 1; scores of the fold lie at an offset."""
    truth = (torch.arange(size) < share * size).long()
    one = truth.double() + 0.01 * torch.rand(size, dtype=torch.float64) + offset
    return WindowRanking.of_scores(truth, torch.stack([-one, one], 1)[None], [name] * size)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(2, 5), st.booleans())
def test_the_area_of_one_fold_equals_scikit_learn(seed, num_classes, with_ties):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(num_classes, (200,), generator=generator)
    values = torch.randn(1, 200, num_classes, generator=generator) + functional.one_hot(truth, num_classes)
    values = values.round() if with_ties else values
    scores = WindowRanking.of_scores(truth, values, [f"p{i % 4}" for i in range(200)])
    areas = [sk.roc_auc_score(truth == number, values[0, :, number]) for number in truth.unique().tolist()]
    assert scores.each_seed("auroc")[0] == pytest.approx(np.mean(areas), abs=1e-9)  # fewer windows than ranks: exact
    assert scores.num_windows == 200
    assert WindowRanking.join([scores]).interval("auroc", 20).value == pytest.approx(scores.each_seed("auroc")[0])


def test_areas_of_many_windows_are_near_exact_and_a_class_that_is_absent_does_not_count():
    truth, values = torch.arange(5000) % 2, torch.rand(1, 5000, 3)
    values[0, :, 1] += 0.3 * (truth == 1)
    values[0, :, 0] += 0.3 * (truth == 0)
    scores = WindowRanking.of_scores(truth, values, ["a"] * 5000)
    exact = np.mean([sk.roc_auc_score(truth == number, values[0, :, number]) for number in (0, 1)])
    assert scores.each_seed("auroc")[0] == pytest.approx(exact, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 400), st.sampled_from([None, 1, 2]))
def test_the_bound_holds_for_every_share_of_a_class(seed, rare, decimals):
    """With 16 ranks in place of 65,536, and with ties of all sizes."""
    generator = torch.Generator().manual_seed(seed)
    truth = (torch.arange(800) < rare).long()
    one = torch.randn(800, generator=generator, dtype=torch.float64) + 2 * truth
    one = one if decimals is None else one.round(decimals=decimals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audiossl.evaluation.windows.ranking.MOST_RANKS", 16)
        found = WindowRanking.of_scores(truth, torch.stack([-one, one], 1)[None], ["a"] * 800).each_seed("auroc")[0]
    share = rare / 800
    assert abs(found - sk.roc_auc_score(truth, one)) <= 1 / (2 * 16 * max(share, 1 - share)) + 1e-12


@pytest.mark.parametrize(("count", "rare"), [(2000, 5), (5000, 1), (100_000, 3)])
def test_a_rare_class_that_is_ranked_perfectly_has_an_area_of_1(count, rare):
    truth = (torch.arange(count) < rare).long()
    score = torch.rand(count, generator=torch.Generator().manual_seed(0)).double() / 2 + 0.5 * truth
    scores = WindowRanking.of_scores(truth, torch.stack([1 - score, score], 1)[None], [f"p{i % 2}" for i in range(count)])
    assert scores.each_seed("auroc")[0] == pytest.approx(1.0, abs=1e-9 if count < 2**16 else 1.6e-5)


def test_windows_of_different_folds_are_never_compared():
    """Whoever ranks every fold right has an area of 1, whatever the folds' shares of classes and levels of scores."""
    folds = [perfect_fold(f"p{i}", share, offset=5.0 * i) for i, share in enumerate((0.9, 0.5, 0.1))]
    joined = WindowRanking.join(folds)
    assert joined.each_subject("auroc") == [1.0] * 3
    found = joined.interval("auroc", 200)
    assert (found.value, found.low, found.high, found.groups) == (1.0, None, None, 3)  # three who agree bound nobody else's area


def test_folds_count_with_their_pairs_and_people_with_their_draws():
    """Against loops over pairs: folds of two people, the second of whom is drawn twice."""
    generator = torch.Generator().manual_seed(0)
    folds, won, total = [], torch.zeros(3), torch.zeros(3)
    for fold in range(2):
        truth = torch.randint(3, (30,), generator=generator)
        values = torch.randn(2, 30, 3, generator=generator)
        names = [f"p{fold}{i % 2}" for i in range(30)]
        folds.append(WindowRanking.of_scores(truth, values, names))
        for number in range(3):
            for i in range(30):
                for j in range(30):
                    if truth[i] == number != truth[j]:
                        weight = (1 + i % 2) * (1 + j % 2)
                        total[number] += weight
                        won[number] += weight * float(values[0, i, number] > values[0, j, number])
    times = torch.tensor([[1.0, 2.0, 1.0, 2.0]], dtype=torch.float64)  # names are sorted: p00, p01, p10, p11
    found = WindowRanking.join(folds).values("auroc", times)
    assert found[0, 0] == pytest.approx(float((won / total).mean()), abs=1e-6)


def test_differences_are_paired_and_use_the_same_counts():
    truth, generator = torch.arange(400) % 2, torch.Generator().manual_seed(0)
    good = torch.stack([-truth.double(), truth.double()], 1) + 0.5 * torch.randn(400, 2, generator=generator).double()
    names = [f"p{i // 40}" for i in range(400)]
    first = WindowRanking.of_scores(truth, good[None], names)
    second = WindowRanking.of_scores(truth, torch.randn(2, 400, 2, generator=generator), names)
    assert first.minus(first, "auroc").value == 0 and first.minus(first, "auroc").low is None
    gap = first.minus(second, "auroc", 200)
    assert gap.value == pytest.approx(first.interval("auroc", 50).value - second.interval("auroc", 50).value)
    assert 0 < gap.low < gap.value < gap.high


def test_where_every_fold_has_one_class_there_is_no_area():
    folds = [WindowRanking.of_scores(torch.full((5,), number), torch.rand(1, 5, 2), [f"p{number}"] * 5) for number in range(2)]
    assert WindowRanking.join(folds).metric_names == ()
    assert WindowRanking.join([*folds, perfect_fold("p2", 0.5)]).metric_names == ("auroc",)


def test_where_every_recording_is_a_subject_counts_stay_small():
    """As many cells as windows and classes, not subjects times bins: CPSC2018's 6,877 people were 4.6 GB."""
    size, classes = 1375, 9
    scores = WindowRanking.of_scores(torch.arange(size) % classes, torch.rand(1, size, classes), [f"p{i}" for i in range(size)])
    (fold,) = scores.folds
    assert sum(counts.values().numel() for (seed,) in [fold.counts] for counts in seed) == size * classes


def test_scores_that_are_not_numbers_have_no_rank():
    scores = torch.rand(1, 4, 2)
    scores[0, 1, 1] = torch.nan
    with pytest.raises(DataError, match="got 1 of 8 that are NaN"):
        WindowRanking.of_scores(torch.tensor([0, 1, 0, 1]), scores, ["a", "a", "b", "b"])
