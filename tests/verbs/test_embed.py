"""`audiossl.embed` and the command: columns, conditions, plans and checks, from the recordings of a table."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import soundfile

import audiossl
from audiossl.cli import main
from audiossl.embedding import EmbeddingStore
from audiossl.embedding.plan import EmbedPlan
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_json, read_jsonl
from audiossl.signals.corpora.store_check import StoreCheck


@pytest.fixture
def table(tmp_path):
    draws = np.random.default_rng(0)
    rows = ["path,start,end,speaker,Größe"]
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", draws.uniform(-0.3, 0.3, 8000), 16000)
        rows += [f"{number}.wav,0,0.2,{'ab'[number % 2]},{number}", f"{number}.wav,0.2,0.5,{'ab'[number % 2]},"]
    rows += ["gone.wav,,,b,7"]
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "clips.csv"


def test_columns_come_with_the_frames_and_conditions_choose(table, tmp_path):
    store = audiossl.embed("logmel", table, tmp_path / "out", where="speaker == 'b' and Größe != null")
    assert store.ids == ["1.wav@0-0.2", "3.wav@0-0.2"] and store.columns == ["speaker", "Größe"]
    assert store.summary is not None and (store.summary.num_written, store.summary.num_rejected) == (2, 1)
    rest = audiossl.embed("logmel", [table], tmp_path / "out")
    assert len(rest) == 8 and rest.summary is not None and rest.summary.num_present == 2
    assert rest.table().column("end").to_pylist()[:2] == pytest.approx([0.2, 0.2])
    assert rest.where("speaker == 'a'").neighbours(rest.to_numpy()[0], 9)[0].columns["speaker"] == "a"
    assert read_json(tmp_path / "out" / "summary.json")["columns"] == ["speaker", "Größe"]


def test_labels_that_were_corrected_are_brought_up_to_date_and_frames_stay(table, tmp_path):
    audiossl.embed("logmel", table, tmp_path / "out")
    frames = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.npy")}
    table.write_text(table.read_text().replace("1.wav,0,0.2,b,1", "1.wav,0,0.2,anna,1"))
    store = audiossl.embed("logmel", table, tmp_path / "out")
    assert store.summary is not None and (store.summary.num_written, store.summary.num_relabelled) == (0, 1)
    assert store.where("speaker == 'anna'").ids == ["1.wav@0-0.2"]
    assert frames == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.npy")}
    again = audiossl.embed("logmel", table, tmp_path / "out").summary
    assert again is not None and again.num_relabelled == 0


def test_a_corpus_and_files_give_the_same_as_the_command(table, tmp_path):
    corpus = audiossl.open_corpus(table, where="speaker == 'a'", rejected=[])
    store = audiossl.embed(audiossl.load("logmel"), corpus, tmp_path / "corpus", pool="mean", dtype="float32")
    words = ["embed", "logmel", str(table), "--where", "speaker == 'a'", "--pool", "mean", "--out", str(tmp_path / "command")]
    assert main([*words, "--dtype", "float32"]) == 0
    other = EmbeddingStore.open(tmp_path / "command")
    assert store.ids == other.ids and np.array_equal(store.pooled(), other.pooled())
    assert store.table().column("speaker").equals(other.table().column("speaker"))


def test_a_table_is_joined_to_a_folder(table, tmp_path):
    (tmp_path / "who.csv").write_text("file,speaker\n0.wav,ann\n1.wav,bob\n")
    store = audiossl.embed("logmel", tmp_path, tmp_path / "out", table=tmp_path / "who.csv", where="speaker == 'bob'")
    assert [store.item(id_).path for id_ in store] == [str(tmp_path / "1.wav")]


def test_a_plan_says_what_it_takes_and_writes_nothing(table, tmp_path, capsys):
    plan = audiossl.embed("logmel", table, tmp_path / "out", dry_run=True)
    assert isinstance(plan, EmbedPlan) and not (tmp_path / "out").exists()
    assert (plan.num_recordings, plan.num_present, plan.num_rejected) == (8, 0, 1)
    assert plan.hours * 3600 == pytest.approx(2.0) and plan.seconds is not None and plan.memory_bytes > 10**7
    audiossl.embed("logmel", table, tmp_path / "out")
    size = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.npy"))
    assert plan.disk_bytes == pytest.approx(size, rel=0.1)
    words = ["embed", "logmel", str(table), "--out", str(tmp_path / "out"), "--dry-run"]
    assert main(words) == 0 and "0 recordings (0.00 h) to embed with logmel on cpu; 8 are there" in capsys.readouterr().out
    with pytest.raises(StoreError, match="made otherwise"):
        audiossl.embed("logmel", table, tmp_path / "out", pool="mean", dry_run=True)


def test_a_check_embeds_nothing(table, tmp_path):
    audiossl.embed("logmel", table, tmp_path / "out")
    soundfile.write(tmp_path / "2.wav", np.zeros(8000), 16000)
    check = audiossl.embed("logmel", table, tmp_path / "out", verify=True)
    assert isinstance(check, StoreCheck) and not check.agrees and sorted(check.faults) == ["2.wav@0-0.2", "2.wav@0.2-0.5"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"where": "speaker = 'a'"}, ConfigError, "equality is written =="),
        ({"where": "__import__('os').system('touch ran')"}, ConfigError, "functions are not called"),
        ({"where": "speeker == 'a'"}, ConfigError, "did you mean speaker"),
        ({"where": "speaker == 'q'"}, DataError, "holds for none"),
        ({"device": "cuda:77"}, ConfigError, "cannot use --device cuda:77"),
        ({"shard": (2, 2)}, ConfigError, "0 <= i < n"),
        ({"dry_run": True, "verify": True}, ConfigError, "not both"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(table, tmp_path, monkeypatch, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        audiossl.embed("logmel", table, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists() and not (tmp_path / "ran").exists()


def test_copies_are_reported(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / "in" / f"{name}.wav", np.random.default_rng(name == "c").uniform(-0.3, 0.3, 8000), 16000)
    assert main(["embed", "logmel", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    said = "1 of 3 items have the vector of an earlier one, 1 of them a copy of its file, such as in/a.wav, in/b.wav"
    assert said in capsys.readouterr().err and said in read_json(tmp_path / "out" / "summary.json")["duplicates"]["warning"]


def test_bad_rows_stay_listed(table, tmp_path):
    audiossl.embed("logmel", table, tmp_path / "out")
    assert [row["id"] for row in read_jsonl(tmp_path / "out" / "rejected.jsonl")] == ["gone.wav"]


@pytest.mark.parametrize("verb", ["embed", "search", "tokenise"])
def test_a_verb_and_its_command_have_the_same_options(verb):
    from audiossl.cli import _parser

    commands = next(action for action in _parser()._actions if hasattr(action, "choices") and action.choices)
    known = {action.dest: action.default for action in commands.choices[verb]._actions if action.dest != "help"}
    parameters = inspect.signature(getattr(audiossl, verb)).parameters
    assert {"output" if name == "out" else name for name in known} - {"json"} == set(parameters)
    for name, parameter in parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            assert known[name] == parameter.default, name


def test_found_neighbours_print_and_become_json(table, tmp_path, capsys):
    audiossl.embed("logmel", table, tmp_path / "out")
    capsys.readouterr()
    words = ["search", str(tmp_path / "out"), str(tmp_path / "0.wav"), "-k", "2", "--where", "speaker == 'b'"]
    assert main(words) == 0
    assert "similarity" in (said := capsys.readouterr().out) and "Größe" in said and "wav@" in said
    assert main([*words, "--json", "--by", "frames"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 2 and {row["columns"]["speaker"] for row in found} == {"b"} and found[0]["time"] is not None


def test_recordings_run_whole_where_that_is_asked_for(tmp_path):
    """The command and the function mean the same store, and stores of other windows are not mixed."""
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 31 * 16000), 16000)
    assert main(["embed", "logmel", str(tmp_path / "long.wav"), "--out", str(tmp_path / "out"), "--window-seconds", "whole"]) == 0
    whole = audiossl.embed("logmel", tmp_path / "long.wav", tmp_path / "out", window_seconds=None)
    assert whole.summary is not None and whole.summary.num_present == 1
    with pytest.raises(StoreError, match="digest"):
        audiossl.embed("logmel", tmp_path / "long.wav", tmp_path / "out", window_seconds=20)
    with pytest.raises(SystemExit):
        main(["embed", "logmel", str(tmp_path / "long.wav"), "--out", str(tmp_path / "out"), "--window-seconds", "0"])
