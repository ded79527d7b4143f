from __future__ import annotations

import dataclasses

import pytest
import torch

from audiossl.errors import DataError
from audiossl.evaluation import ClipTask, Splits
from audiossl.evaluation.clip_task import CLIP_READOUT

QUICK = dataclasses.replace(CLIP_READOUT, num_resamples=200)


@pytest.fixture
def languages():
    """Clips of three languages; vectors that tell them apart; speakers as groups."""
    labels = {f"clip {i:03d}": "en es fr".split()[i % 3] for i in range(240)}  # noqa: SIM905
    ids = list(labels)
    splits = Splits({"train": ids[:120], "valid": ids[120:180], "test": ids[180:]}, {item_id: item_id for item_id in ids})
    vectors = {
        item_id: torch.eye(3)["en es fr".split().index(label)] * 4 + torch.randn(3)  # noqa: SIM905
        for item_id, label in labels.items()
    }
    return labels, splits, vectors


def test_vectors_that_know_and_vectors_that_do_not(languages):
    labels, splits, vectors = languages
    task = ClipTask("toy", "language", labels, splits)
    clear = task.run("clear", vectors.__getitem__, QUICK)
    assert all(row.value > 0.85 and row.n == 60 for row in clear.rows)
    blind = task.run("blind", lambda item_id: torch.randn(3), QUICK)
    assert blind.rows[0].low < 1 / 3 + 0.05 and blind.rows[0].high > 1 / 3 - 0.05


def test_permuted_test_labels_change_no_choice(languages):
    labels, splits, vectors = languages
    test = splits.ids["test"]
    rolled = {**labels, **dict(zip(test, [labels[item_id] for item_id in [*test[7:], *test[:7]]], strict=True))}
    a, b = (ClipTask("toy", "language", names, splits).run("m", vectors.__getitem__, QUICK) for names in (labels, rolled))
    assert a.chosen == b.chosen and a.valid_accuracy == b.valid_accuracy and a.rows != b.rows


def test_missing_labels_and_odd_vectors_are_named(languages):
    labels, splits, vectors = languages
    with pytest.raises(DataError, match="clip 200"):
        ClipTask("toy", "language", {key: value for key, value in labels.items() if key != "clip 200"}, splits)
    with pytest.raises(DataError, match="clip 004"):
        ClipTask("toy", "language", labels, splits).run("m", {**vectors, "clip 004": torch.zeros(4)}.__getitem__)
