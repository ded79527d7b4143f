"""Fingerprints, networks and phenotypes on made-up people; and what choosing edges before splitting does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.fmri.brainnetcnn import BrainNetClassifier
from audiossl.evaluation.fmri.columns import confounds_of_people, rows_of_people
from audiossl.evaluation.fmri.fingerprint import Fingerprint, draw_segments
from audiossl.evaluation.fmri.folds import divisions
from audiossl.evaluation.fmri.networks import assign_networks, majority
from audiossl.evaluation.fmri.people import People
from audiossl.evaluation.fmri.phenotype_metrics import corrected_t_test, metrics_of
from audiossl.evaluation.fmri.phenotypes import (
    LEAKS,
    PhenotypeConfig,
    leakage_self_test,
    score_phenotype,
)
from audiossl.evaluation.fmri.tangent_vectors import TangentVectors


def test_segments_lie_in_their_parts_and_are_drawn_once_for_all():
    starts = draw_segments([551, 51], [1, 31], 50, 400, seed=3)
    assert starts.shape == (400, 2, 2) and int(starts.min()) == 0
    assert starts[:, 0].amax(0).tolist() == [550, 50] or (starts[:, 0].amax(0) <= torch.tensor([550, 50])).all()
    assert starts[:, 1].amax(0).tolist() == [0, 30]
    assert torch.equal(starts, draw_segments([551, 51], [1, 31], 50, 400, seed=3))
    with pytest.raises(DataError, match="a segment of 50 volumes"):
        draw_segments([551], [0], 50, 5, seed=3)


def test_people_are_recognised_by_what_is_theirs():
    draws = torch.Generator().manual_seed(0)
    own = torch.randn(6, 40, generator=draws)
    gallery, probes = (own + noise * torch.randn(30, 6, 40, generator=draws) for noise in (0.1, 0.1))
    found = Fingerprint.of(gallery, probes)
    assert found.accuracy == 1 and found.spread == 0 and float(found.gap.mean()) > 0.7
    noise = Fingerprint.of(*(torch.randn(300, 6, 40, generator=draws) for _ in range(2)))
    assert noise.accuracy == pytest.approx(1 / 6, abs=0.03)
    assert noise.interval().low <= noise.accuracy <= noise.interval().high
    assert float(noise.gap.mean()) == pytest.approx(0, abs=0.02)


def test_identification_by_hand():
    gallery = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]])
    probes = torch.tensor([[[1.0, 0, 0.1], [1, 0, 0], [0, 0.2, 1]]])
    found = Fingerprint.of(gallery, probes)
    assert found.hits[0].tolist() == [[True, False, True], [False, False, True]]
    with pytest.raises(DataError, match="finite vectors of at least two people"):
        Fingerprint.of(gallery / 0, probes)


def test_networks_are_told_in_people_and_regions_that_were_not_seen():
    draws = torch.Generator().manual_seed(0)
    networks = [str(i % 3) for i in range(30)] + ["", "rare"]
    centres = torch.randn(3, 8, generator=draws)
    features = torch.stack([centres[[i % 3 for i in range(32)]] for _ in range(4)]) + 0.3 * torch.randn(4, 32, 8, generator=draws)
    found = assign_networks(features, ["a", "a", "b", "b"], networks)
    assert found.right.shape == (2, 30) and found.accuracy > 0.95
    assert found.interval().low <= found.accuracy <= found.interval().high
    identity = torch.eye(32).expand(4, 32, 32)  # a region that knows its name, and nothing else
    assert assign_networks(identity, ["a", "a", "b", "b"], networks).accuracy < 0.5
    assert assign_networks(features[:1], ["a"], networks).accuracy > 0.9
    assert majority(networks) == 10 / 31
    with pytest.raises(DataError, match="at least two networks"):
        assign_networks(features, ["a", "a", "b", "b"], ["x"] * 32)


def people(count: int = 40, runs: int = 2, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    rng = np.random.default_rng(seed)
    labels = ["patient" if i % 2 else "control" for i in range(count) for _ in range(runs)]
    features = rng.standard_normal((count * runs, 30))
    features[:, 4] += 2.5 * np.array([label == "patient" for label in labels])
    return features, labels, [f"p{i}" for i in range(count) for _ in range(runs)]


def test_a_class_that_is_there_is_found_and_confounds_are_scored_beside_it():
    features, labels, subjects = people()
    sex = [float(i % 3 == 0) for i in range(40) for _ in range(2)]
    config = PhenotypeConfig(repeats=2, edges=5, permutations=9)
    found = score_phenotype(features, labels, subjects, config, confounds={"sex": sex})
    assert found.mean("auroc") > 0.9 and found.mean("balanced_accuracy") > 0.8
    assert len(found.metrics["auroc"]) == 2 and found.p_value == 0.1
    assert np.mean(found.confounds["auroc"]) < 0.7


def test_a_quantity_by_site_and_by_family():
    features, _, subjects = people()
    age = [20 + 5 * float(np.mean(features[2 * (i // 2) : 2 * (i // 2) + 2, 7])) for i in range(80)]
    sites = [f"s{i // 2 % 4}" for i in range(80)]
    families = [f"f{i // 4}" for i in range(80)]
    by_site = score_phenotype(features, age, subjects, PhenotypeConfig(by_site=True, edges=3), sites=sites)
    assert len(by_site.metrics["mae"]) == 1 and by_site.mean("correlation") > 0.8 and by_site.mean("r2") > 0.5
    by_family = score_phenotype(features, age, subjects, PhenotypeConfig(repeats=2, edges=3), families=families)
    assert by_family.mean("correlation") > 0.5


def test_people_and_relatives_are_never_on_both_sides():
    features, labels, subjects = people()
    families = [f"f{i // 4}" for i in range(80)]
    group = People(labels, subjects, families=families).averaged(features)
    assert len(group.names) == 40
    for train, test in divisions(group, PhenotypeConfig(), 0):
        assert not set(group.groups[train]) & set(group.groups[test])


def test_choosing_edges_before_splitting_needs_a_name_and_shows_what_it_does():
    """Noise against random labels: chance inside folds, far above it before splitting."""
    assert leakage_self_test() == pytest.approx(0.5, abs=0.2)
    rng = np.random.default_rng(0)
    noise, labels, subjects = rng.standard_normal((40, 2000)), ["a", "b"] * 20, [f"p{i}" for i in range(40)]
    leaking = PhenotypeConfig(repeats=4, edges=20, edges_before_splitting=LEAKS)
    assert score_phenotype(noise, labels, subjects, leaking).mean("auroc") > 0.95
    with pytest.raises(ConfigError, match="its score means nothing"):
        PhenotypeConfig(edges_before_splitting="yes")


def test_the_tangent_space_is_fitted_inside_folds():
    rng = np.random.default_rng(0)
    mixing = {"a": np.eye(6), "b": np.eye(6) + 0.8 * np.eye(6, k=1)}
    labels, seen = ["a", "b"] * 15, []
    covariances = [np.cov(mixing[label] @ rng.standard_normal((6, 80))).reshape(-1) for label in labels]

    class Watched(TangentVectors):
        def fit(self, features, labels=None):
            seen.append(len(features))
            return super().fit(features, labels)

    config, people = PhenotypeConfig(repeats=1), [f"p{i}" for i in range(30)]
    assert score_phenotype(np.stack(covariances), labels, people, config, transform=Watched()).mean("auroc") > 0.9
    assert max(seen) == 24  # of 30 people in five folds


def test_a_convolutional_network_tells_a_class_and_is_the_same_again():
    rng = np.random.default_rng(0)
    labels = ["a", "b", "c"] * 30
    features = rng.standard_normal((90, 45))
    features[:, 7] += 4 * np.array([label == "a" for label in labels])
    features[:, 20] += 4 * np.array([label == "b" for label in labels])
    first, second = (BrainNetClassifier(steps=150).fit(features, labels) for _ in range(2))
    assert (first.predict(features) == labels).mean() > 0.9
    assert np.array_equal(first.decision_function(features), second.decision_function(features))
    two, people = [label if label != "c" else "b" for label in labels], [f"p{i}" for i in range(90)]
    config = PhenotypeConfig(repeats=1, folds=3)
    assert score_phenotype(features, two, people, config, model=BrainNetClassifier(150)).mean("auroc") > 0.7


def test_mistakes_are_named():
    features, labels, subjects = people()
    with pytest.raises(DataError, match="p0 has the labels"):
        score_phenotype(features, ["patient", *labels[1:]], subjects)
    with pytest.raises(DataError, match="two classes or more, each with 5 people"):
        score_phenotype(features[:10], labels[:10], subjects[:10])
    with pytest.raises(DataError, match="two sites"):
        score_phenotype(features, labels, subjects, PhenotypeConfig(by_site=True), sites=["x"] * 80)


NAMES = [f"p{i}" for i in range(12)]
CLASSES = ["a", "b"] * 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1] * 6, "labels such as 0 may be classes or a quantity"),
        ([False, True] * 6, "labels such as False may be"),
        (np.arange(12), "labels such as 0 may be"),
        (np.array([0, 1] * 6, bool), "labels such as False may be"),
        ([1.5] * 11 + [2], "labels such as 2 may be"),
        (["a", 1.0] * 6, "text for some and a number for others, such as 'a' and 1"),
        ([1.0] * 11 + [float("nan")], "p11 has the label nan"),
        ([None, *CLASSES[1:]], "p0 has the label None"),
        (["n/a", *CLASSES[1:]], "p0 has the label 'n/a'"),
        ([3.0] * 12, "a quantity that varies, got 3 of all 12 people"),
        ([0.0, 1.0] * 6, "labels are 0 and 1 alone, which are two classes"),
        ([-1.0, 1.0] * 6, "labels are -1 and 1 alone, which are two classes"),
        ([f"{i / 4}" for i in range(12)], "numbers as text, such as '0.0': give quantities as floats"),
    ],
)
def test_kinds_of_labels_are_not_guessed(labels, message):
    """skll 219: a diagnosis of 0 and 1 was regressed."""
    with pytest.raises(DataError, match=message):
        score_phenotype(np.zeros((12, 2)), labels, NAMES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"families": [*NAMES, "p1"]}, "p0 has the families p0 and p1"),
        ({"sites": [*CLASSES, "b"], "config": PhenotypeConfig(by_site=True)}, "p0 has the sites a and b"),
        ({"confounds": {"sex": [0] * 12 + [1]}}, "p0 has the confound sex 0 and 1"),
        ({"confounds": {"age": [30.0] * 12 + [31.0]}}, "p0 has the confound age 30.0 and 31.0"),
        ({"confounds": {"age": [float("nan")] + [30.5] * 12}}, "p0 has the confound age nan: expected a number"),
        ({"confounds": {"fd": [0.1] * 13, "age": [30.5] * 11 + [None, 1]}}, "p11 has the confound age None"),
        ({"confounds": {"age": [float("inf")] * 13}}, "p0 has the confound age inf"),
        ({"confounds": {"age": ["30"] * 13}}, "p0 has the confound age '30'"),
        ({"confounds": {"sites": [1.0] * 9}}, "13 runs .rows of features., got 9 of the confound sites"),
        ({"families": NAMES, "sites": NAMES}, "got 12 sites, 12 families"),
        (
            {"sites": ["", *CLASSES[1:], ""], "config": PhenotypeConfig(by_site=True)},
            "sites of everybody, got none of 1 people, such as p0",
        ),
        ({"families": [None, *NAMES[1:], None]}, "families of everybody, got none of 1 people, such as p0"),
        ({"families": [*NAMES[:-1], float("nan"), "p0"]}, "families of everybody, got none of 1 people, such as p11"),
        ({"families": [*NAMES[:-1], "n/a", "p0"]}, "families of everybody, got none of 1 people, such as p11"),
    ],
)
def test_a_person_is_one_in_every_column(columns, message):
    """ABCD 22, C-PAC 412: a person at two sites trained the model that one of them was left out of."""
    with pytest.raises(DataError, match=message):
        score_phenotype(np.zeros((13, 2)), [*CLASSES, "a"], [*NAMES, "p0"], **columns)


@pytest.mark.parametrize("nobody", [None, float("nan"), "", "n/a"])
def test_a_run_of_nobody_is_refused(nobody):
    with pytest.raises(DataError, match=r"a person for each run \(row of features\), row 11 names"):
        score_phenotype(np.zeros((12, 2)), CLASSES, np.array([*NAMES[:-1], nobody], object))


def test_what_pandas_does_not_know_is_not_known():
    unknown = pytest.importorskip("pandas").NA
    with pytest.raises(DataError, match="p0 has the label None"):
        score_phenotype(np.zeros((12, 2)), np.array([unknown, *CLASSES[1:]], object), NAMES)
    with pytest.raises(DataError, match="row 11 names None"):
        score_phenotype(np.zeros((12, 2)), CLASSES, np.array([*NAMES[:-1], unknown], object))
    for column in ("sites", "families"):
        with pytest.raises(DataError, match=f"{column} of everybody, got none of 1 people, such as p11"):
            columns = {column: np.array([*NAMES[:-1], unknown], object)}
            score_phenotype(np.zeros((12, 2)), CLASSES, NAMES, PhenotypeConfig(by_site=True), **columns)


def test_labels_and_subjects_of_another_length():
    with pytest.raises(DataError, match=r"each of 12 runs .*got 11 labels, 13 subjects"):
        score_phenotype(np.zeros((12, 2)), CLASSES[:-1], [*NAMES, "p0"])


def test_confounds_of_runs_are_averaged():
    rows = rows_of_people(["a", "b", "a"])
    found = confounds_of_people(rows, {"mean_fd": [0.1, 0.2, 0.3], "is_male": np.array([True, False, True])})
    np.testing.assert_allclose(found, [[0.2, 1], [0.2, 0]])


def test_two_sites_of_a_person_matter_only_where_a_site_is_left_out():
    sites = [*CLASSES, "b"]
    found = score_phenotype(np.random.default_rng(0).standard_normal((13, 2)), [*CLASSES, "a"], [*NAMES, "p0"],
                            PhenotypeConfig(repeats=1, folds=3), sites=sites)  # fmt: skip
    assert found.people == 12


def test_the_corrected_t_test_is_wider_than_the_plain_one():
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(0).normal(0.1, 0.1, 50)
    assert ttest_1samp(values, 0).pvalue < corrected_t_test(list(values), 5) < 1
    assert corrected_t_test([0.0, 0.1, -0.1], 5) == pytest.approx(1.0)


def test_noise_of_unbalanced_sites_is_told_by_chance():
    """Decision values of two models were ranked together once, which made noise of sites with other shares score 0.34."""
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        labels = ["case" if i % 10 < (7 if i < 40 else 3) else "control" for i in range(80)]
        sites = ["north"] * 40 + ["south"] * 40
        config = PhenotypeConfig(by_site=True)
        scores = score_phenotype(rng.standard_normal((80, 30)), labels, [f"p{i}" for i in range(80)], config, sites)
        found.append(scores.mean("auroc"))
        assert set(scores.of_sites) == {"north", "south"} and scores.people == 80
        assert np.mean(list(scores.of_sites.values())) == pytest.approx(found[-1])
        assert scores.intervals["auroc"].low < found[-1] < scores.intervals["auroc"].high
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / np.sqrt(len(found)) + 0.01


def test_intervals_are_over_people():
    """As wide as resampling says for so many people, however many divisions of them there were."""
    rng = np.random.default_rng(0)
    labels = ["a", "b"] * 30
    features = rng.standard_normal((60, 10)) + 0.4 * (np.array(labels) == "b")[:, None]
    found = score_phenotype(features, labels, [f"p{i}" for i in range(60)], PhenotypeConfig(repeats=6)).intervals["auroc"]
    area = found.value
    expected = 2 * 1.96 * np.sqrt(area * (1 - area) / 30)  # an upper bound of the deviation of the Mann-Whitney statistic
    assert 0.5 * expected < found.high - found.low < 1.3 * expected


def test_people_who_cannot_be_divided_are_named():
    names = [f"p{i}" for i in range(12)]
    with pytest.raises(DataError, match="without site north one class is left"):
        score_phenotype(np.zeros((12, 2)), ["a", "b"] * 6, names, PhenotypeConfig(by_site=True), ["north", "south"] * 6)
    with pytest.raises(DataError, match=r"expected 5 people or families .* got 2"):
        score_phenotype(np.zeros((12, 2)), ["a", "b"] * 6, names, families=["x", "y"] * 6)
    with pytest.raises(DataError, match="finite features, got others of p3"):
        features = np.zeros((12, 2))
        features[3, 1] = np.nan
        score_phenotype(features, ["a", "b"] * 6, names)


@pytest.mark.parametrize("classes", [2, 4])
def test_metrics_are_scikit_learns(classes):
    from sklearn import metrics

    rng = np.random.default_rng(classes)
    labels = np.array(list("abcd"))[np.concatenate([np.arange(classes), rng.integers(classes, size=60)])]
    answers = rng.standard_normal((len(labels), classes)).round(1)  # with ties
    told = answers[:, 0] if classes == 2 else answers
    people = People(labels.tolist(), [f"p{i}" for i in range(len(labels))]).averaged(np.zeros((len(labels), 1)))
    found = metrics_of(people, told, by_site=False)
    chosen = np.where(told > 0, "b", "a") if classes == 2 else np.array(list("abcd"))[told.argmax(1)]
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, chosen))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, chosen))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, chosen, average="macro"))
    each = [metrics.roc_auc_score(labels == name, answers[:, i]) for i, name in enumerate("abcd"[:classes])]
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(labels == "b", told) if classes == 2 else np.mean(each))
    ages = rng.standard_normal(len(labels))
    people = People(ages.tolist(), [f"p{i}" for i in range(len(labels))]).averaged(np.zeros((len(labels), 1)))
    found = metrics_of(people, answers[:, 0], by_site=False)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(ages, answers[:, 0]))
    assert found["r2"] == pytest.approx(metrics.r2_score(ages, answers[:, 0]))


def test_few_people_choose_their_ridge_without_a_score_that_is_not_defined():
    """Of inner folds with one person r2 is NaN, which scikit-learn warns of, and warnings are errors here."""
    rng = np.random.default_rng(0)
    ages = 20 + np.arange(6.0) * 3.7
    features = ages[:, None] + 0.1 * rng.standard_normal((6, 4))
    found = score_phenotype(features, ages, [f"p{n}" for n in range(6)], PhenotypeConfig(folds=3, repeats=1))
    assert found.mean("mae") < 4
