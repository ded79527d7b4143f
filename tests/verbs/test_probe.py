"""A probe of recordings of one's own: what it predicts, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

import audiossl
from audiossl.cli import main
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.attentive_tasks import AttentiveClipTask
from audiossl.evaluation.guesses import guess_rows


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Forty tones: `low` or `high` by their speaker, drawn in sessions, and a column of noise."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    rows = ["path,speaker,session,noise,one,age"]
    for number in range(40):
        speaker = "low" if number % 2 else "high"
        tone = np.sin(np.arange(3200) * (0.1 if number % 2 else 0.4)) / 5 + rng.normal(0, 0.01, 3200)
        soundfile.write(folder / f"{number}.wav", tone, 16_000)
        rows.append(f"{number}.wav,{speaker},s{number // 8},{rng.choice(['x', 'y'])},same,{20 + number / 7}")
    (folder / "clips.csv").write_text("\n".join(rows))
    return folder / "clips.csv"


def test_a_tone_is_identified_and_noise_is_not(tones):
    rows = audiossl.probe("logmel", tones, "speaker")
    values = {(row.model, row.metric): row.value for row in rows}
    assert values["logmel", "accuracy"] == values["logmel", "knn_accuracy"] == 1
    assert values["chance", "accuracy"] == 0.5
    noise = audiossl.probe("logmel", tones, "noise").where(model="logmel", metric="accuracy")[0]
    assert noise.value < 1 and noise.low is not None and noise.low < 0.75


def test_few_groups_are_tested_in_turn(tones, capsys):
    assert main(["probe", "logmel", str(tones), "--label", "speaker", "--group", "session"]) == 0
    assert "majority" in capsys.readouterr().out
    rows = audiossl.probe("logmel", tones, "speaker", group="session")
    assert rows.where(model="logmel")[0].groups == 5 and rows.where(model="logmel")[0].n == 40


def test_the_store_is_kept_where_it_is_asked_for(tones, tmp_path):
    audiossl.probe("logmel", tones, "speaker", output=tmp_path / "store", where="session != 's0'")
    assert len(audiossl.EmbeddingStore.open(tmp_path / "store")) == 32


@pytest.mark.parametrize(
    ("label", "group", "error", "complaint"),
    [
        ("speakr", None, ConfigError, r"did you mean speaker\?"),
        ("one", None, DataError, "nothing to distinguish"),
        ("age", None, DataError, "looks like a quantity"),
        ("speaker", "sesion", ConfigError, r"did you mean session\?"),
        ("speaker", "speaker", DataError, "none can be identified"),
    ],
)
def test_what_cannot_be_probed_is_refused_by_name(tones, label, group, error, complaint):
    with pytest.raises(error, match=complaint):
        audiossl.probe("logmel", tones, label, group=group)


def test_majority_is_that_of_training():
    rows = guess_rows("d", "t", {"train": ["a", "b", "b"], "test": ["b", "a", "b", "a"]}, ["g", "g", "h", "h"])
    assert [(row.model, row.value) for row in rows] == [("chance", 0.5), ("majority", 0.5)]


def test_an_attentive_probe_on_request(tones, monkeypatch):
    monkeypatch.setattr(AttentiveClipTask, "steps", 40)
    rows = audiossl.probe("logmel", tones, "speaker", attentive=True)
    assert rows.where(model="logmel", metric="attentive_accuracy")[0].value == 1
    with pytest.raises(ConfigError, match="more than 12 groups"):
        audiossl.probe("logmel", tones, "speaker", group="session", attentive=True)
