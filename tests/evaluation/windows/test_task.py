import pytest
import torch
from sensor_data import people, recording

from audiossl.errors import DataError
from audiossl.evaluation.windows.task import WindowTask
from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_and_count, cut_windows

SIDES = SubjectSides(("p0", "p1", "p2"), ("p3",), ("p4", "p5"))
CONFIG = WindowConfig(seconds=1.0, hop=0.5, normalise="none")


def window_set(recordings=None, task="activity"):
    recordings = recordings or people(6)
    return WindowSet(recordings, cut_windows(recordings, CONFIG, task), "none")


def test_sides_hold_the_labelled_windows_of_their_subjects():
    windows = window_set()
    task = WindowTask("activity", windows, SIDES)
    assert task.classes == ("sit", "walk")
    for side, names in (("train", SIDES.train), ("valid", SIDES.valid), ("test", SIDES.test)):
        found = {task.subjects[place] for place in task.sides[side].tolist()}
        assert found == set(names)
    assert all(windows.labels[row] is not None for row in task.rows)
    assert sum(map(len, task.sides.values())) == len(task.rows)


def test_probes_read_separable_features_and_no_test_label():
    task = WindowTask("activity", window_set(), SIDES)
    features = torch.randn(len(task.rows), 5)
    features[:, 2] += 8 * task.y
    truth = task.y[task.sides["test"]]
    for fraction in (1.0, 0.1):
        answers = task.probe(features, fraction)
        assert torch.equal(answers.argmax(1), truth)
        assert task.rank([answers]).each_seed("auroc") == [1.0]
        task.y[task.sides["test"]] = 1 - truth  # labels of test people must not matter
        assert torch.equal(task.probe(features, fraction), answers)
        task.y[task.sides["test"]] = truth
    assert (task.nearest(features) == truth).float().mean() > 0.9
    wide = features.repeat(1, 420)
    assert (task.probe(wide).argmax(1) == truth).float().mean() > 0.9


def test_windows_are_ranked_by_probabilities_not_by_logits():
    """Window by window probabilities add up to 1; logits have a level of their own that says nothing."""
    task = WindowTask("activity", window_set(), SIDES)
    features = torch.randn(len(task.rows), 5)
    features[:, 2] += task.y
    answers = task.probe(features)
    torch.testing.assert_close(answers.exp().sum(1), torch.ones(len(answers), dtype=torch.float64))


def test_a_share_of_labels_is_the_same_share_of_each_class_and_grows_from_a_seed():
    task = WindowTask("activity", window_set(), SIDES)
    train, valid = task.labelled(0.2, seed=1)
    assert set(train.tolist()) <= set(task.sides["train"].tolist())
    assert set(valid.tolist()) <= set(task.sides["valid"].tolist())
    for number in range(2):
        of_class = int((task.y[task.sides["train"]] == number).sum())
        assert int((task.y[train] == number).sum()) == round(0.2 * of_class)
    assert torch.equal(train, task.labelled(0.2, seed=1)[0])
    assert not torch.equal(train, task.labelled(0.2, seed=2)[0])
    tiny, _ = task.labelled(1e-6, seed=1)
    assert sorted(task.y[tiny].tolist()) == [0, 1]


def test_quantities_are_read_by_regression_and_by_bins():
    recordings = [
        recording(
            f"p{i}", f"p{i}", annotations={"rate": tuple(Annotation(t / 1, t + 1.0, 60.0 + t + i) for t in range(10))}, seed=i
        )
        for i in range(6)
    ]
    windows = WindowSet(recordings, cut_windows(recordings, WindowConfig(1.0, 1.0, "annotation"), "rate"), "none")
    task = WindowTask("rate", windows, SIDES)
    features = torch.randn(len(task.rows), 4)
    features[:, 0] = task.y
    assert task.classes == ()
    scores = task.score([task.probe(features)])
    assert scores.each_seed("mae")[0] < 0.1
    assert scores.each_seed("correlation")[0] > 0.99
    one_hot = torch.nn.functional.one_hot(task.y.long() - 60).float()
    seen = set(task.y[task.sides["train"]].tolist())
    right = torch.tensor([float(value) in seen for value in task.y[task.sides["test"]]])
    assert torch.equal(task.probe_bins(one_hot)[right], task.y[task.sides["test"]][right])


def test_codes_that_became_floats_are_classes_or_quantities_as_is_declared():
    """skll#219; a table with gaps turns the codes 0, 1, 2 into floats."""
    marks = {"activity": tuple(Annotation(2.0 * i, 2.0 * i + 2, float(i % 3)) for i in range(5))}
    recordings = [recording(f"p{i}_1", f"p{i}", annotations=marks, seed=i) for i in range(6)]
    with pytest.raises(DataError, match=r"task 'activity': labels are whole numbers from 0 to 2: .*task\.kind=class"):
        WindowTask("activity", window_set(recordings), SIDES)
    for kind, classes in (("class", ("0", "1", "2")), ("quantity", ())):
        windows, _ = cut_and_count(recordings, CONFIG, "activity", kind=kind)
        task = WindowTask("activity", WindowSet(recordings, windows, "none"), SIDES, kind)
        assert task.classes == classes and set(task.y.tolist()) == {0, 1, 2}


def test_sides_without_labels_and_mixed_labels_are_refused():
    with pytest.raises(DataError, match="no labelled window of the test subjects"):
        WindowTask("activity", window_set(), SubjectSides(("p0", "p1"), ("p2",), ("nobody",)))
    mixed = [recording("p0", "p0"), recording("p1", "p1", annotations={"activity": (Annotation(0.0, 9.0, 3.0),)})]
    with pytest.raises(DataError, match="all names or all numbers"):
        WindowTask("activity", window_set(mixed), SIDES)


def test_learned_scales_are_read_as_they_are():
    """A feature that says the class among loud ones that say nothing: probes that keep scales read what is loud."""
    task = WindowTask("activity", window_set(), SIDES)
    truth = task.y[task.sides["test"]]
    features = torch.randn(len(task.rows), 40, generator=torch.Generator().manual_seed(0))
    features[:, 0] += 3 * task.y
    loud = features * torch.tensor([100.0, *[0.1] * 39])

    def right(answers):
        return float(((answers.argmax(1) if answers.ndim == 2 else answers) == truth).float().mean())

    for read in (lambda x, keep: task.probe(x, 0.3, keep_scale=keep), lambda x, keep: task.nearest(x, 0.3, keep_scale=keep)):
        assert right(read(loud, True)) > max(0.85, right(read(loud, False)))
        assert right(read(loud, False)) == right(read(features, False))
