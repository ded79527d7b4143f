import json

import numpy as np
import pytest
import soundfile
import torch
from hear_toy_tasks import write_event_task, write_scene_task

from audiossl.cli import main
from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.hear import embeddings
from audiossl.evaluation.hear.embeddings import embed_task
from audiossl.evaluation.hear.evaluate import evaluate_hear
from audiossl.evaluation.hear.model import HearModel
from audiossl.evaluation.hear.official import OFFICIAL
from audiossl.evaluation.hear.protocol import evaluate_folds, grid_points
from audiossl.evaluation.hear.task import read_task
from audiossl.evaluation.results import read_results
from audiossl.models.encoder import Frames


class Levels(torch.nn.Module):
    """Levels of four bands, 100 frames a second: an encoder that costs nothing."""

    sample_rate, frame_offset = 16000.0, 0.005
    dim, num_layers, min_samples, alignment = 4, 1, 160, 160

    def __init__(self, frame_rate=100.0):
        super().__init__()
        self.frame_rate = self.last_frame_rate = frame_rate

    def forward(self, signal, lengths):
        frames = signal[:, 0, : signal.shape[2] // 160 * 160].unflatten(1, (-1, 160))
        bands = torch.fft.rfft(frames).abs()[..., [3, 6, 12, 24]].log1p()
        return Frames.from_layers([bands], lengths // 160)


@pytest.fixture
def model():
    return HearModel(Embedder(Levels()))


def write_miniature(folder, official):
    """The official task's metadata with as many splits and labels, a few short clips each."""
    task = folder / official.folder
    kind, prediction, *labels = official.kind.split()
    vocabulary = [str(i) for i in range(int(labels[0]))]
    splits = [f"fold{i:02d}" for i in range(official.folds)] or ["train", "valid", "test"]
    rng = np.random.default_rng(0)
    for split in splits:
        audio = task / "16000" / split
        audio.mkdir(parents=True)
        rows = {}
        for i in range(6):
            soundfile.write(audio / f"{i}.wav", 0.1 * rng.standard_normal(3200), 16000)
            label = vocabulary[i % len(vocabulary)]
            rows[f"{i}.wav"] = [{"label": label, "start": 0.0, "end": 150.0}] if kind == "event" else [label]
        (task / f"{split}.json").write_text(json.dumps(rows))
    (task / "labelvocabulary.csv").write_text("idx,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(vocabulary)))
    metadata = {
        "task_name": official.folder.partition("-")[0], "version": "v1", "embedding_type": kind, "sample_duration": 0.2,
        "prediction_type": "multilabel" if prediction == "L" else "multiclass",
        "splits": splits, "evaluation": list(official.scores),
        "split_mode": "new_split_kfold" if official.folds else "trainvaltest", "evaluation_params": {},
    }  # fmt: skip
    if official.folder.startswith("maestro"):
        metadata["use_scoring_for_early_stopping"] = False
        metadata["evaluation_params"]["event_postprocessing_grid"] = {"median_filter_ms": [150], "min_duration": [50]}
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    return task


@pytest.mark.parametrize("official", OFFICIAL, ids=lambda official: official.folder)
def test_every_official_task_runs_on_a_miniature(official, model, tmp_path):
    task = read_task(write_miniature(tmp_path, official))
    assert len({(point["lr"], point["hidden_layers"]) for point in grid_points("default", task, 8)}) == 6
    task.settings.update({"max_epochs": [1], "check_val_every_n_epoch": [1], "hidden_dim": [8]})
    splits = embed_task(model, task, tmp_path / "out")
    results = evaluate_folds(task, splits, num_points=2)
    assert len(results) == max(1, official.folds) and set(official.scores) <= set(results[0].scores)
    assert {result.fold.name for result in results} == set(task.splits if official.folds else ["test"])


def test_toy_tasks_from_the_command_line(tmp_path, capsys):
    write_scene_task(tmp_path / "tasks", clips_per_class=6)
    write_event_task(tmp_path / "tasks", clips=4)
    arguments = ["evaluate", "hear", "logmel", str(tmp_path / "tasks"), "--out", str(tmp_path / "out"), "--grid", "faster"]
    assert main([*arguments, "--grid-points", "8"]) == 0
    assert "standin_" not in (printed := capsys.readouterr().out) and "hear" in printed
    rows = {(row.dataset, row.metric): row for row in read_results(tmp_path / "out" / "results.json")}
    assert rows["toy_beeps-v1-full", "event_onset_50ms_fms"].value > 0.9
    tones = rows["toy_tones-v1-full", "top1_acc"]
    assert tones.value > 1 / 3 and tones.low <= tones.value <= tones.high and tones.n == 54
    scores = json.loads((tmp_path / "out" / "scores" / "toy_tones-v1-full.json").read_text())
    folds = [fold["top1_acc"] for fold in scores["folds"].values()]
    assert scores["std"]["top1_acc"] == pytest.approx(np.std(folds, ddof=1)) and scores["mean"]["top1_acc"] == pytest.approx(
        np.mean(folds)
    )
    assert main(["evaluate", "hear", "--list"]) == 0 and "maestro" in capsys.readouterr().out


def test_finished_work_is_kept_and_changed_files_are_not(model, tmp_path, monkeypatch):
    folder = write_scene_task(tmp_path / "tasks", clips_per_class=2)
    first = evaluate_hear(model, folder, tmp_path / "out", "levels", grid="faster", num_points=1)
    calls = []
    monkeypatch.setattr(embeddings, "_embed", lambda *a, real=embeddings._embed: calls.append(a[3]) or real(*a))
    state = torch.random.get_rng_state()
    assert evaluate_hear(model, folder, tmp_path / "out", "levels", grid="faster", num_points=1) == first and not calls
    assert torch.equal(state, torch.random.get_rng_state())
    soundfile.write(folder / "16000" / "fold01" / "low0.wav", np.full(16000, 0.1), 16000)
    evaluate_hear(model, folder, tmp_path / "out", "levels", grid="faster", num_points=1)
    assert len(calls) == 1  # the one split, six clips in one batch


def test_audio_of_a_higher_rate_is_resampled(model, tmp_path):
    folder = write_scene_task(tmp_path / "tasks", clips_per_class=1, sample_rate=48000)
    splits = embed_task(model, read_task(folder), tmp_path / "out")
    assert splits["fold00"].embeddings.shape == (3, 4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: (t / "16000" / "fold01" / "low0.wav").unlink(), r"low0\.wav is missing"),
        (lambda t: soundfile.write(t / "16000" / "fold01" / "low0.wav", np.zeros(800), 8000), "expected 16000 Hz.*got 8000 Hz"),
        (lambda t: soundfile.write(t / "16000" / "fold01" / "low0.wav", np.zeros(100), 16000), "less than a frame"),
        (lambda t: (t / "16000").rename(t / "8000"), "there is 8000"),
    ],
)
def test_no_partial_score_is_left(model, tmp_path, damage, message):
    folder = write_scene_task(tmp_path / "tasks", clips_per_class=1)
    evaluate_hear(model, folder, tmp_path / "out", "levels", grid="faster", num_points=1)
    damage(folder)
    with pytest.raises(DataError, match=message):
        evaluate_hear(model, folder, tmp_path / "out", "levels", grid="faster", num_points=1)
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_stride_that_lies_is_found():
    with pytest.raises(DataError, match="declares 80 frames per second"):
        HearModel(Embedder(Levels(frame_rate=80.0)))


def test_tasks_are_chosen_by_name(model, tmp_path):
    write_scene_task(tmp_path / "tasks", clips_per_class=1)
    with pytest.raises(ConfigError, match="no task esc50"):
        evaluate_hear(model, tmp_path / "tasks", tmp_path / "out", "levels", only=["esc50"])
