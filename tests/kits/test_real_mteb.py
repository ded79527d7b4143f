"""The real MTEB in an environment of its own: its score on the stand-in is that of our probe on the same folds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import audiossl
from audiossl.errors import ConfigError
from audiossl.evaluation.probes import fit_probe_path
from audiossl.kits.environments import build_kit
from audiossl.kits.timbres import TIMBRES, timbre_clips
from audiossl.models import Zipformer, hub

pytestmark = pytest.mark.slow

PER_LABEL, DRAWS, SEED = 8, 10, 42  # of MTEB's protocol for classification


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    hub.save(Zipformer.from_preset("tiny"), folder)
    return str(folder)


def draws(labels):
    """The training clips of each draw: the first eight of every class in an order that is shuffled further each time."""
    order = list(range(len(labels)))
    for _ in range(DRAWS):
        np.random.RandomState(SEED).shuffle(order)
        yield [place for label in range(len(TIMBRES)) for place in [i for i in order if labels[i] == label][:PER_LABEL]]


def vectors(model, split):
    clips = timbre_clips(split)
    found = audiossl.load(model).embed([sound for sound, _ in clips], 16000)
    return torch.stack([one.pooled for one in found]), torch.tensor([label for _, label in clips])


@pytest.mark.parametrize("name", ["tiny", "logmel"])
def test_the_stand_in_s_score_is_that_of_our_probe(name, tiny, tmp_path):
    build_kit("mteb")
    model = tiny if name == "tiny" else name
    [row] = audiossl.evaluate(model, "mteb", output=tmp_path / "out", kit=True, name=name)
    (train, train_y), (test, test_y) = vectors(model, "train"), vectors(model, "test")
    ours = []
    for chosen in draws(train_y.tolist()):
        # C = 1 of scikit-learn is an L2 strength of one over the number of clips.
        strength = [1 / len(chosen)]
        [probe] = fit_probe_path(train[chosen], train_y[chosen], len(TIMBRES), strength, max_iterations=500, tolerance=1e-9)
        ours.append(float((probe.predict(test) == test_y).float().mean()))
    details = json.loads((tmp_path / "out" / "mteb" / "scores" / "TimbreStandIn.json").read_text())
    theirs = [one["accuracy"] for one in details["scores"]["test"][0]["scores_per_experiment"]]
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert (row.dataset, row.metric, row.n, row.low) == ("TimbreStandIn", "accuracy", 100, None)
    assert row.value == pytest.approx(np.mean(ours), abs=1e-6) and 0.25 < row.value < 1
    results = [*(tmp_path / "out" / "mteb" / "results").rglob("TimbreStandIn.json")]
    assert len(results) == 1, "the file that MTEB's leaderboard takes"


def test_a_task_of_ones_own_with_encoded_files(tmp_path):
    """Recordings stay encoded until our reader has them, and mistakes come back from the environment."""
    build_kit("mteb")
    (tmp_path / "own_tasks.py").write_text(OWN)
    [row] = audiossl.evaluate("logmel", "mteb", str(tmp_path / "own_tasks.py"), output=tmp_path / "out", kit=True)
    assert (row.dataset, row.n) == ("EncodedTimbres", 100) and row.value > 0.4
    with pytest.raises(ConfigError, match="no task or benchmark 'NoSuchTask'"):
        audiossl.evaluate("logmel", "mteb", ["NoSuchTask"], output=tmp_path / "none", kit=True)


OWN = """
import io
import soundfile
from datasets import Audio, Dataset, DatasetDict
from audiossl.kits import mteb_stand_in
from audiossl.kits.timbres import timbre_clips

class EncodedTimbres(mteb_stand_in.TimbreStandIn):
    metadata = mteb_stand_in.TimbreStandIn.metadata.model_copy(update={"name": "EncodedTimbres"})
    def load_data(self, num_proc=None, **_):
        if not self.data_loaded:
            self.dataset = DatasetDict({split: packed(split) for split in ("train", "test")})
            self.data_loaded = True

def packed(split):
    rows = {"audio": [], "label": []}
    for sound, label in timbre_clips(split):
        file = io.BytesIO()
        soundfile.write(file, sound, 16000, format="FLAC")
        rows["audio"].append({"bytes": file.getvalue(), "path": "clip.flac"})
        rows["label"].append(label)
    return Dataset.from_dict(rows).cast_column("audio", Audio())  # as files of a hub are read
"""
