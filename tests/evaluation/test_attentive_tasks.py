"""Clips and segments with an attentive probe next to the linear one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiossl.embedding import EmbeddingStore, StoreDescription, StoreWriter
from audiossl.errors import ConfigError
from audiossl.evaluation.attentive_tasks import METRIC, AttentiveClipTask, AttentiveSegmentTask
from audiossl.evaluation.clip_task import CLIP_READOUT, ClipTask
from audiossl.evaluation.label_rows import Segment
from audiossl.evaluation.splits import Splits
from audiossl.pipelines.spear.config import TaskConfig

IDS = [f"clip{number:02d}" for number in range(60)]
LABELS = {id_: "yes" if number % 2 else "no" for number, id_ in enumerate(IDS)}
SPLITS = Splits({"train": IDS[:36], "valid": IDS[36:48], "test": IDS[48:]}, {id_: id_ for id_ in IDS})
QUICK = replace(CLIP_READOUT, k_grid=(1,))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(AttentiveClipTask, "steps", 80)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingStore:
    """Two layers of noise at 10 Hz; in the second one frame is marked, and its sign is the class."""
    folder: Path = tmp_path_factory.mktemp("store") / "frames"
    about = StoreDescription("m", "digest", [0, 1], 3, 10.0, 0.05, "float32")
    with StoreWriter(folder, about) as writer:
        for number, id_ in enumerate(IDS):
            frames = np.random.default_rng(number).normal(size=(2, 20, 3)).astype(np.float32)
            frames[1, 2 + number % 6, :2] = 9.0, 3.0 if LABELS[id_] == "yes" else -3.0
            writer.add(id_, frames)
    return EmbeddingStore.open(folder)


def test_rows_of_the_linear_probe_stay_and_one_is_added(store):
    linear, _ = ClipTask("toy", "word", LABELS, SPLITS).score("m", store, QUICK)
    both, detail = AttentiveClipTask("toy", "word", LABELS, SPLITS).score("m", store, QUICK)
    assert both.rows[:-1] == linear.rows and both.rows[-1].metric == METRIC
    assert both.rows[-1].value == 1.0 and both.rows[-1].n == 12
    assert detail.layer_weights is not None and detail.layer_weights[1] > detail.layer_weights[0]


def test_test_labels_change_no_choice(store):
    test = SPLITS.ids["test"]
    turned = LABELS | {id_: "no" if LABELS[id_] == "yes" else "yes" for id_ in test}
    first, second = (AttentiveClipTask("toy", "word", labels, SPLITS).score("m", store, QUICK)[0] for labels in (LABELS, turned))
    assert first.chosen == second.chosen and first.valid_accuracy == second.valid_accuracy
    assert second.rows[-1].value == 0.0


def test_frames_of_a_segment_and_no_others(store):
    spans = {id_: [Segment(LABELS[id_], 0.0, 1.0)] for id_ in IDS}
    task = AttentiveSegmentTask("toy", "word", spans, SPLITS)
    np.testing.assert_array_equal(task.frames(store, "clip07@0").numpy(), store["clip07"][:, :10])
    assert task.score("m", store, QUICK)[0].rows[-1].value == 1.0


def test_a_recipe_asks_for_it_where_there_is_one():
    assert TaskConfig("words", "segments", attentive=True).task is AttentiveSegmentTask
    for kind, folds in (("frames", False), ("clips", True)):
        with pytest.raises(ConfigError, match=r"attentive is for tasks of kind segments or clips"):
            TaskConfig("words", kind, folds=folds, attentive=True)
