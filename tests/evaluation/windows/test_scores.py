import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from audiossl.errors import DataError
from audiossl.evaluation.windows.scores import WindowScores


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_class_metrics_equal_scikit_learn(seed, num_classes):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(num_classes, (60,), generator=generator)
    answers = torch.where(
        torch.rand(60, generator=generator) < 0.6, truth, torch.randint(num_classes, (60,), generator=generator)
    )
    scores = WindowScores.of_classes(truth, answers[None], [f"p{i % 4}" for i in range(60)], num_classes)
    expected = {
        "accuracy": sk.accuracy_score(truth, answers),
        "macro_f1": sk.f1_score(truth, answers, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(truth, answers, average="weighted", zero_division=0),
        "kappa": sk.cohen_kappa_score(truth, answers),
    }
    for metric, value in expected.items():
        assert scores.each_seed(metric)[0] == pytest.approx(value, abs=1e-9), metric


def test_a_class_that_is_answered_but_never_true_counts_0_as_in_scikit_learn():
    """torchmetrics#295, #300, torcheval#176: without it 0.833 instead of 0.556."""
    truth, answers = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 2, 1])
    scores = WindowScores.of_classes(truth, answers[None], ["a", "b", "a", "b"], 4)
    assert scores.each_seed("macro_f1") == [pytest.approx(sk.f1_score(truth, answers, average="macro"))]
    assert scores.each_seed("macro_f1") == [pytest.approx((0.8 + 1 + 0) / 3)]


def test_quantity_metrics_equal_numpy():
    truth, answers = torch.rand(40) * 100, torch.rand(2, 40) * 100
    scores = WindowScores.of_quantity(truth, answers, [f"p{i % 5}" for i in range(40)])
    for seed in range(2):
        error = (answers[seed] - truth).double()
        assert scores.each_seed("mae")[seed] == pytest.approx(float(error.abs().mean()))
        assert scores.each_seed("rmse")[seed] == pytest.approx(float(error.square().mean().sqrt()))
        expected = np.corrcoef(truth.double(), answers[seed].double())[0, 1]
        assert scores.each_seed("correlation")[seed] == pytest.approx(expected, abs=1e-6)
        assert scores.each_seed("mape")[seed] == pytest.approx(float((error / truth.double()).abs().mean()), rel=1e-5)
    constant = WindowScores.of_quantity(truth, torch.full((1, 40), 3.0), [f"p{i % 5}" for i in range(40)])
    assert constant.each_seed("correlation") == [0.0]
    with_zero = WindowScores.of_quantity(torch.tensor([0.0, 2.0]), torch.tensor([[1.0, 1.0]]), ["a", "b"])
    assert "mape" not in with_zero.metrics and with_zero.each_seed("mae") == [1.0]


def test_the_value_is_the_mean_over_seeds_and_lies_in_its_interval():
    truth = torch.arange(90) % 3
    answers = torch.stack([torch.where(torch.rand(90) < share, truth, 0) for share in (0.9, 0.5)])
    scores = WindowScores.of_classes(truth, answers, [f"p{i // 9}" for i in range(90)], 3)
    found = scores.interval("accuracy")
    assert found.value == pytest.approx(sum(scores.each_seed("accuracy")) / 2)
    assert found.low < found.value < found.high
    assert scores.interval("accuracy") == found


def test_differences_are_paired_over_subjects():
    """Models that differ by about a point for everybody have a narrow difference, however subjects differ."""
    truth = torch.zeros(400, dtype=torch.int64)
    subjects = [f"p{i // 100}" for i in range(400)]
    hard = torch.tensor([i % 100 < 20 * (i // 100) for i in range(400)]).long()  # subjects differ by 20 points
    worse = hard.clone()
    worse[99::100] = 1
    worse[98] = 1  # two points for one
    first, second = (WindowScores.of_classes(truth, answers[None], subjects, 2) for answers in (hard, worse))
    gap = first.minus(second, "accuracy")
    assert gap.value == pytest.approx(0.0125) and gap.value - 0.01 < gap.low < 0.01 and gap.high < 0.025 and gap.groups == 4
    assert first.interval("accuracy").high - first.interval("accuracy").low > 0.1


def test_models_without_seeds_can_be_compared_with_those_that_have():
    truth, subjects = torch.arange(20) % 2, [f"p{i % 4}" for i in range(20)]
    one = WindowScores.of_classes(truth, truth[None], subjects, 2)
    three = WindowScores.of_classes(truth, torch.stack([truth, 1 - truth, truth]), subjects, 2)
    assert one.minus(three, "accuracy").value == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="the same test subjects"):
        one.minus(WindowScores.of_classes(truth, truth[None], ["a", "b"] * 10, 2), "accuracy")


def test_folds_are_joined_by_subject():
    truth = torch.arange(30) % 3
    answers = torch.randint(3, (2, 30))
    subjects = [f"p{i % 6}" for i in range(30)]
    whole = WindowScores.of_classes(truth, answers, subjects, 3)
    parts = []
    for names in (["p4", "p1"], ["p0", "p2", "p3", "p5"]):
        rows = torch.tensor([i for i, name in enumerate(subjects) if name in names])
        parts.append(WindowScores.of_classes(truth[rows], answers[:, rows], [subjects[i] for i in rows], 3))
    joined = WindowScores.join(parts)
    assert joined.subjects == whole.subjects
    assert torch.equal(joined.counts, whole.counts)
    assert joined.each_subject("accuracy") == whole.each_subject("accuracy")


def test_a_metric_that_one_fold_lacks_is_left_out_of_all():
    """A true quantity of 0 in any fold leaves no percentage error of the whole."""
    plain = WindowScores.of_quantity(torch.tensor([50.0, 40.0]), torch.tensor([[51.0, 41.0]]), ["a", "b"])
    with_zero = WindowScores.of_quantity(torch.tensor([50.0, 0.0]), torch.tensor([[51.0, 1.0]]), ["c", "d"])
    for parts in ([plain, with_zero], [with_zero, plain]):
        joined = WindowScores.join(parts)
        assert joined.metric_names == ("mae", "rmse", "correlation")
        assert joined.interval("mae", 20).value == pytest.approx(1.0)
    assert "mape" in WindowScores.join([plain]).metric_names


def test_one_subject_has_a_value_and_no_interval():
    truth = torch.arange(10) % 2
    scores = WindowScores.of_classes(truth, truth[None].clone().fill_(1), ["only"] * 10, 2)
    found = scores.interval("accuracy")
    assert (found.value, found.low, found.high, found.groups) == (0.5, None, None, 1)
    with pytest.raises(DataError, match="at least 2 test subjects"):
        scores.minus(scores, "accuracy")


def test_blocks_of_subjects_change_nothing(monkeypatch):
    truth, answers = torch.arange(90) % 3, torch.randint(3, (2, 90))
    scores = WindowScores.of_classes(truth, answers, [f"p{i // 9}" for i in range(90)], 3)
    subjects, interval = scores.each_subject("accuracy"), scores.interval("accuracy", 100)
    monkeypatch.setattr("audiossl.evaluation.windows.subject_scores.BLOCK", 3)
    assert scores.each_subject("accuracy") == pytest.approx(subjects)
    assert scores.interval("accuracy", 100).low == pytest.approx(interval.low)


@pytest.mark.parametrize("offset", [0.0, 1e5, 1e8, 1e9])
def test_correlation_of_quantities_far_from_zero(offset):
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(600, generator=generator, dtype=torch.float64)
    answers = (truth + torch.randn(600, generator=generator, dtype=torch.float64))[None]
    names = [f"p{i % 6}" for i in range(600)]
    expected = float(np.corrcoef(truth, answers[0])[0, 1])
    whole = WindowScores.of_quantity(truth + offset, answers + offset, names)
    assert whole.each_seed("correlation") == [pytest.approx(expected, abs=1e-6)]
    # Folds take off their own means, which differ.
    halves = [[i for i in range(600) if (i % 6 < 3) == side] for side in (True, False)]
    folds = [
        WindowScores.of_quantity(truth[rows] + offset, answers[:, rows] + offset, [names[row] for row in rows]) for rows in halves
    ]
    joined = WindowScores.join(folds)
    for metric in ("correlation", "mae", "rmse"):
        assert joined.each_seed(metric) == pytest.approx(whole.each_seed(metric), rel=1e-6), metric
        assert joined.each_subject(metric) == pytest.approx(whole.each_subject(metric), rel=1e-6), metric


@pytest.mark.parametrize("value", [0.1, 71.3, 1e-3, 123456.7])
def test_what_is_constant_correlates_with_nothing(value):
    truth, names = torch.randn(600), [f"p{i % 6}" for i in range(600)]
    assert WindowScores.of_quantity(truth, torch.full((1, 600), value), names).each_seed("correlation") == [0.0]
    assert WindowScores.of_quantity(torch.full((600,), value), truth[None], names).each_seed("correlation") == [0.0]


def test_answers_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="expected finite answers, got 1 of 2"):
        WindowScores.of_quantity(torch.ones(2), torch.tensor([[1.0, torch.nan]]), ["a", "b"])
