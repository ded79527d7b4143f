"""Batches of recordings that are gone: a rank takes all its steps in training, and scoring reads nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.tokens import TokenStore, TokenWriter

IDS = [f"i{number}" for number in range(6)]


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """Six recordings of a second, of which the file of one is gone."""
    for number, id_ in enumerate(IDS):
        soundfile.write(tmp_path / f"{id_}.wav", np.random.default_rng(number).uniform(-0.5, 0.5, 16_000), 16_000)
    build_corpus([Item(id_, tmp_path / f"{id_}.wav") for id_ in IDS], tmp_path / "corpus", transcode=False)
    (tmp_path / "i3.wav").unlink()
    return Corpus.open(tmp_path / "corpus")


def batches_of(kind: str, corpus: Corpus, folder) -> LabelledBatches | TokenBatches:
    """A batch for each recording."""
    if kind == "labels":
        return LabelledBatches(corpus, {id_: torch.tensor([1, 2]) for id_ in IDS}, batch_seconds=1.0, seed=1)
    about = {"quantiser_id": "q", "num_codebooks": 1, "codebook_size": 8, "frame_rate": 50.0}
    with TokenWriter(folder / "tokens", **about) as writer:
        for id_ in IDS:
            writer.add(id_, torch.zeros(50, 1, dtype=torch.uint8))
    return TokenBatches(corpus, {"x": TokenStore.open(folder / "tokens")}, lambda item: ["x"], 1.0, 1.0, seed=1)


@pytest.mark.parametrize("kind", ["labels", "tokens"])
def test_a_batch_that_cannot_be_read_is_replaced_in_training_and_left_out_of_scores(corpus, tmp_path, kind):
    batches = batches_of(kind, corpus, tmp_path)
    trained = [list(batch.ids) for batch in batches(0)]
    assert len(trained) == len(IDS) == batches.steps_per_epoch(1)
    assert {id_ for ids in trained for id_ in ids} == set(IDS) - {"i3"}
    assert sorted(id_ for batch in batches.fixed() for id_ in batch.ids) == [id_ for id_ in IDS if id_ != "i3"]
    assert list(batches.failed) == ["i3"]
