import json

import pytest
from superb_toy_tasks import Bands, write_toy

from audiossl.cli import main
from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.results import read_results
from audiossl.evaluation.superb import evaluate as evaluation
from audiossl.evaluation.superb.evaluate import evaluate_superb, sweep_layers
from audiossl.evaluation.superb.training import ProbeOptions

QUICK = {"updates": 30, "lr": 0.01, "batch": 6, "accumulate": 1, "evaluations": 3, "hidden": 16}


@pytest.fixture
def tasks(tmp_path):
    folder = tmp_path / "tasks"
    write_toy(folder / "who", "SID", letters=1, settings=QUICK)
    for fold in ("fold1", "fold2"):
        write_toy(folder / "mood" / fold, "ER", letters=1)
    (folder / "mood" / "superb_task.json").write_text(json.dumps({"task": "ER", "settings": QUICK}))
    write_toy(
        folder / "spell",
        "PR",
        values=lambda text: {"transcription": " ".join(text)},
        settings=QUICK | {"updates": 240, "lr": 0.03},
    )
    return folder


def test_tasks_share_features_and_are_kept(tasks, tmp_path, monkeypatch):
    embedder = Embedder(Bands())
    rows = evaluate_superb(embedder, tasks, tmp_path / "out", "bands", rates=[1e-2, 1e-5])
    values = {(row.dataset, row.task, row.metric): row for row in rows}
    assert values["who", "SID", "accuracy"].value == values["mood", "ER", "accuracy"].value == 1.0
    assert values["mood", "ER", "accuracy"].n == 24 and values["spell", "PR", "per"].value < 0.9
    assert read_results(tmp_path / "out" / "results.json") == rows
    who = json.loads((tmp_path / "out" / "scores" / "who.json").read_text())
    assert who["folds"][0]["valid_by_lr"]["0.01"] == 1.0 and who["folds"][0]["lr"] == 0.01 and who["settings"]["updates"] == 30
    assert len(who["folds"][0]["layer_weights"]) == 2
    monkeypatch.setattr(evaluation, "search_learning_rate", None)  # nothing is left to train
    assert evaluate_superb(embedder, tasks, tmp_path / "out", "bands", rates=[1e-2, 1e-5]) == rows
    with pytest.raises(TypeError):
        evaluate_superb(embedder, tasks, tmp_path / "out", "bands", rates=[1e-2], only=["who"])


def test_no_partial_score_is_left(tasks, tmp_path):
    embedder, out = Embedder(Bands()), tmp_path / "out"
    evaluate_superb(embedder, tasks, out, "bands", only=["SID"])
    (tasks / "who" / "test0.wav").unlink()
    with pytest.raises(DataError, match=r"test0\.wav is missing"):
        evaluate_superb(embedder, tasks, out, "bands", only=["SID"])
    assert not (out / "results.json").exists()
    (tasks / "spell" / "valid.csv").unlink()
    with pytest.raises(DataError, match=r"valid\.csv is missing"):
        evaluate_superb(embedder, tasks, out, "bands")


def test_a_stride_that_lies_is_found(tasks, tmp_path):
    with pytest.raises(DataError, match="declares 80 frames per second"):
        evaluate_superb(Embedder(Bands(80.0)), tasks, tmp_path / "out", "bands")
    assert not (tmp_path / "out" / "results.json").exists()


def test_names_that_are_not_there(tasks, tmp_path):
    with pytest.raises(ConfigError, match="no task KS"):
        evaluate_superb(Embedder(Bands()), tasks, tmp_path / "out", "bands", only=["KS"])
    (tasks / "who" / "superb_task.json").write_text('{"task": "XYZ"}')
    with pytest.raises(DataError, match=r"expected task, one of PR, .*got 'XYZ'"):
        evaluate_superb(Embedder(Bands()), tasks, tmp_path / "out", "bands")
    with pytest.raises(DataError, match=r"superb_task\.json"):
        evaluate_superb(Embedder(Bands()), tmp_path / "nothing", tmp_path / "out", "bands")


@pytest.mark.parametrize("layer", [2, 9, -1, -9])
def test_a_layer_that_is_not_there(tasks, tmp_path, layer):
    embedder, options = Embedder(Bands(), name="bands"), ProbeOptions(layer=layer)
    with pytest.raises(ConfigError, match=rf"expected a --layer from 0 to 1 of bands, got {layer}"):
        evaluate_superb(embedder, tasks, tmp_path / "out", "bands", options=options)
    assert not (tmp_path / "out").exists()


def test_from_the_command_line(tasks, tmp_path, capsys):
    arguments = ["evaluate", "superb", "logmel", str(tasks), "--out", str(tmp_path / "out"), "--task", "SID", "--name", "mel"]
    assert main([*arguments, "--updates", "60", "--lr", "0.003", "0.03"]) == 0
    assert "mel" in capsys.readouterr().out
    assert read_results(tmp_path / "out" / "results.json")[0].value > 0.5
    assert main(["evaluate", "superb", "--list"]) == 0 and "fairseq" in capsys.readouterr().out


def test_every_layer_by_itself(tasks, tmp_path):
    out = tmp_path / "out"
    sweep = sweep_layers(Embedder(Bands()), tasks, out, only=["SID", "PR"])
    # The first layer tells pitches, the second is noise made of it.
    assert sweep.values["who"][0] > sweep.values["who"][1] and set(sweep.values) == {"who", "spell"}
    assert sweep.lower_is_better == ("spell",)
    assert json.loads((out / "layer_sweep.json").read_text())["who"]["0"] == sweep.values["who"][0]
