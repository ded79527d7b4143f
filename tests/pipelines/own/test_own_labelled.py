"""Texts and tags of one's own: what the labels stage of a fine-tuning run gets from a table."""

from __future__ import annotations

import json

import pytest
from own_recordings import RECIPES, write_recordings, write_rows

from audiossl.errors import ConfigError, DataError
from audiossl.models import hub
from audiossl.models.zipformer import Zipformer
from audiossl.pipelines.catalogue import run_pipeline

SMALL = {
    "encoder_dim": [32], "feedforward_dim": [32], "num_encoder_layers": [1], "num_heads": [2], "encoder_unmasked_dim": [32],
    "downsampling_factor": [1], "cnn_module_kernel": [5],
}  # fmt: skip
TINY = [
    "encoder=encoder", "random=false", "training.max_steps=2", "training.batch_seconds=20", "training.validate_every=0",
    "training.health_frames=0", "training.tensorboard=false",
]  # fmt: skip


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    rows = write_recordings(tmp_path, 16, seconds=0.6)
    texts = ["hello there", "good bye", "", "one two three"]
    more = [
        {**row, "Transcript": texts[n % 4], "label": ("rain;wind", "rain", " wind ; ", "")[n % 4], "only": "x", "own": str(n)}
        for n, row in enumerate(rows)
    ]
    write_rows(tmp_path / "metadata.csv", more)
    hub.save(Zipformer.from_preset("tiny", **SMALL), tmp_path / "encoder")
    monkeypatch.chdir(tmp_path)
    return ["corpus=recordings", "table=metadata.csv", *TINY]


@pytest.mark.slow
def test_tags_of_a_column_become_classes_and_a_run(labelled):
    output = run_pipeline(RECIPES / "tagging.yaml", [*labelled, "split.train=0.4", "split.valid=0.1", "split.test=0.5"])
    assert str(output) == "runs/tagging-recordings"
    assert json.loads((output / "labels" / "classes.json").read_text()) == ["rain", "wind"]
    rows = [json.loads(line) for line in (output / "labels" / "labels.jsonl").read_text().splitlines()]
    assert len(rows) == 12 and rows[0]["tags"] == ["rain", "wind"] and rows[2]["tags"] == ["wind"]
    assert {row["model"] for row in json.loads((output / "results.json").read_text())} == {"finetuned"}


def test_texts_are_found_by_the_usual_name_of_their_column(labelled):
    output = run_pipeline(RECIPES / "ctc.yaml", labelled, last="labels")
    rows = [json.loads(line) for line in (output / "labels" / "labels.jsonl").read_text().splitlines()]
    assert str(output) == "runs/ctc-recordings" and len(rows) == 12 and rows[0]["text"] == "hello there"
    left = (output / "corpus" / "corpus" / "rejected.jsonl").read_text().splitlines()
    assert len(left) == 4 and "its Transcript is empty" in left[0]


@pytest.mark.parametrize(
    "recipe, words, error, message",
    [
        ("ctc", ["tasks=text"], ConfigError, "no column is called 'text'"),
        ("tagging", ["tasks=only"], DataError, "expected at least two different tags, found 'x'"),
        ("tagging", ["tasks=own"], DataError, "each of the 16 tags is on one recording only"),
        ("tagging", [], DataError, "no tag is on some of the 1 recordings of the test side and off others"),
        ("tagging", ["tasks=label,only"], ConfigError, "expected the one column of the labels for tagging"),
        ("tagging", ["table=null"], ConfigError, "none is called labels or tags or label or tag, the columns are none"),
    ],
)
def test_labels_that_nothing_can_be_learned_from_are_refused(labelled, recipe, words, error, message):
    with pytest.raises(error, match=message):
        run_pipeline(RECIPES / f"{recipe}.yaml", [*labelled, *words])


def test_a_dry_run_says_the_sides(labelled, capfd):
    run_pipeline(RECIPES / "tagging.yaml", labelled, dry_run=True)
    assert "12 recordings, 7 s; sides by recording" in capfd.readouterr().out
