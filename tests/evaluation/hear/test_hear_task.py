import json

import pytest
from hear_toy_tasks import write_event_task, write_scene_task

from audiossl.errors import DataError
from audiossl.evaluation.hear.task import find_tasks, read_task


def change(task, **values):
    path = task / "task_metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_folds_rotate(tmp_path):
    task = read_task(write_scene_task(tmp_path, num_folds=4, clips_per_class=1))
    assert [(fold.test, fold.valid, fold.train) for fold in task.folds()][-1] == (("fold03",), ("fold00",), ("fold01", "fold02"))
    assert [fold.name for fold in task.folds()] == ["fold00", "fold01", "fold02", "fold03"]
    assert read_task(write_event_task(tmp_path, clips=1)).folds()[0].train == ("train",)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: (t / "fold01.json").unlink(), r"fold01\.json is missing"),
        (lambda t: (t / "labelvocabulary.csv").unlink(), r"labelvocabulary\.csv is missing"),
        (
            lambda t: (t / "labelvocabulary.csv").write_text("idx,label\n0,low\n1,middle\n"),
            r"label 'high' is not in labelvocabulary",
        ),
        (lambda t: (t / "labelvocabulary.csv").write_text("idx,label\n0,low\n2,high\n"), "without gaps"),
        (lambda t: (t / "fold01.json").write_text("{"), r"fold01\.json is no JSON"),
        (lambda t: (t / "fold01.json").write_text("[]"), "expected a JSON object, got list"),
        (lambda t: (t / "fold01.json").write_text("{}"), "at least one file"),
        (lambda t: (t / "fold01.json").write_text('{"a.wav": ["low", "high"]}'), "one label of a multiclass task, got 2"),
        (lambda t: (t / "fold01.json").write_text('{"a.wav": "low"}'), "expected a list of labels"),
        (lambda t: change(t, embedding_type="segment"), "expected embedding_type scene or event, got 'segment'"),
        (lambda t: change(t, split_mode="trainvaltest"), "needs train, valid, test"),
        (lambda t: change(t, splits=["fold00", "fold01"]), "a third fold"),
        (lambda t: change(t, evaluation=["wer"]), r"got \['wer'\]"),
        (lambda t: change(t, evaluation=["segment_1s_er"]), "cannot score a task of embedding_type scene"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, damage, message):
    folder = write_scene_task(tmp_path, clips_per_class=1)
    damage(folder)
    with pytest.raises(DataError, match=message):
        read_task(folder)


def test_events_need_their_times(tmp_path):
    folder = write_event_task(tmp_path, clips=1)
    (folder / "train.json").write_text('{"0.wav": [{"label": "low", "start": 3}]}')
    with pytest.raises(DataError, match=r"train\.json: 0\.wav: expected events with label, start and end"):
        read_task(folder)


def test_folders_are_found(tmp_path):
    with pytest.raises(DataError, match=r"task_metadata\.json"):
        find_tasks(tmp_path)
    folder = write_scene_task(tmp_path, clips_per_class=1)
    assert find_tasks(tmp_path) == find_tasks(folder) == [folder]
