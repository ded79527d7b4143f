from dataclasses import replace
from itertools import islice

import pytest
import torch
from superb_toy_tasks import Bands, write_toy

from audiossl.embedding.embedder import Embedder
from audiossl.errors import DataError
from audiossl.evaluation.superb import training
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.phones import PhoneRecognition
from audiossl.evaluation.superb.tasks.speakers import SpeakerIdentification
from audiossl.evaluation.superb.training import predict_clips, search_learning_rate, train_probe

SETTINGS = Settings(lr=0.01, updates=40, batch=4, accumulate=2, evaluations=4, hidden=16, crop_seconds=0.3)


@pytest.fixture(scope="module")
def speakers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sid")
    task = SpeakerIdentification(write_toy(folder / "sid", "SID", letters=1))
    features = LayerFeatures(Embedder(Bands()), folder / "store")
    features.make([*task.clips("train"), *task.clips("valid"), *task.clips("test")])
    return task, features


def test_it_learns(speakers):
    task, features = speakers
    trained = train_probe(task, features, SETTINGS)
    found = predict_clips(task, trained.probe, features, task.clips("test"))
    assert trained.selection == 1.0 and task.measure(found, "test")["accuracy"].value == 1.0
    assert [update for update, _ in trained.history] == [10, 20, 30, 40] and trained.update <= 40
    weights = trained.probe.featuriser.weights()
    assert sum(weights) == pytest.approx(1) and weights[0] != 0.5


def test_an_interrupted_run_ends_with_the_same_weights(speakers, tmp_path, monkeypatch):
    task, features = speakers
    whole = train_probe(task, features, SETTINGS, tmp_path / "whole")
    real, seen = training.predict_clips, []

    def interrupted(*arguments):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(training, "predict_clips", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_probe(task, features, SETTINGS, tmp_path / "cut")
    monkeypatch.setattr(training, "predict_clips", real)
    again = train_probe(task, features, SETTINGS, tmp_path / "cut")
    assert again.history == whole.history
    for name, value in whole.probe.state_dict().items():
        assert torch.equal(value, again.probe.state_dict()[name])


def test_the_best_learning_rate_is_kept(speakers, tmp_path):
    task, features = speakers
    best, values = search_learning_rate(task, features, SETTINGS, [1e-9, 1e-2], tmp_path)
    assert best.lr == 1e-2 and values[1e-2] == 1.0 > values[1e-9]


def test_gradients_that_are_not_finite_are_skipped_and_end_a_run(speakers, monkeypatch):
    task, features = speakers
    real, calls = task.loss, []

    def broken(head, batch):
        calls.append(1)
        return real(head, batch) * (float("nan") if len(calls) in (3, 9) else 1.0)

    monkeypatch.setattr(task, "loss", broken)
    trained = train_probe(task, features, replace(SETTINGS, accumulate=1))
    assert trained.skipped == 2 and all(value.isfinite().all() for value in trained.probe.state_dict().values())
    monkeypatch.setattr(task, "loss", lambda head, batch: real(head, batch) * float("nan"))
    with pytest.raises(DataError, match=r"SID: the gradients of 100 updates in a row are not finite at lr 0\.01"):
        train_probe(task, features, replace(SETTINGS, updates=200, evaluations=1))


def batches(task, features, order, count, **options):
    settings = replace(SETTINGS, order=order, crop_seconds=None, **options)
    return [clips for clips, _ in islice(training._batches(task, features, settings, 0, 0), count)]


def test_orders(speakers, tmp_path):
    task, features = speakers
    one_epoch = batches(task, features, "shuffled", 3)
    assert sorted(clip.id for clips in one_epoch for clip in clips) == sorted(clip.id for clip in task.clips("train"))
    drawn = [clip.values["label"] for clips in batches(task, features, "balanced", 300) for clip in clips]
    assert all(drawn.count(name) / len(drawn) == pytest.approx(1 / 3, abs=0.05) for name in "abc")
    phones = PhoneRecognition(write_toy(tmp_path / "pr", "PR", values=lambda text: {"transcription": " ".join(text)}))
    features = LayerFeatures(Embedder(Bands()), tmp_path / "store")
    features.make(phones.clips("train"))
    for order in ("slices", "buckets"):
        for clips in batches(phones, features, order, 20):
            sizes = [features.num_frames(clip) for clip in clips]
            assert sizes == sorted(sizes, reverse=True) and len(clips) <= 4
    halved = batches(phones, features, "buckets", 6, halve_above=1)
    assert [len(clips) for clips in halved] == [2] * 6
    assert len({clips[0].id for clips in batches(phones, features, "slices", 12)}) == 12  # every clip begins one


def test_crops_lie_inside(speakers):
    task, features = speakers
    settings = replace(SETTINGS, crop_seconds=0.1)
    for clips, spans in islice(training._batches(task, features, settings, 0, 0), 9):
        for clip, (first, last) in zip(clips, spans, strict=True):
            assert last - first == min(10, features.num_frames(clip)) and first >= 0 and last <= features.num_frames(clip)
