"""`audiossl tokens`: fit, encode and report on small recordings with the log-mel teacher; resuming, rejecting, refusing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiossl.cli import main
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, read_jsonl, write_json, write_jsonl
from audiossl.models import hub
from audiossl.models.zipformer import Zipformer, ZipformerConfig
from audiossl.pipelines.spear.config import EvaluationConfig, SpearRecipe, TaskConfig
from audiossl.pipelines.spear.stages import stages
from audiossl.pipelines.tokenise.corpus import QuantiserConfig, encode_corpus, fit_to_corpus, measure_tokens
from audiossl.pipelines.tokenise.folders import open_recordings, open_tokeniser
from audiossl.recipe import fingerprint, plain
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.teachers.teacher import TeacherConfig, parse_teacher
from audiossl.tokens.store import TokenStore

FIT = ["--teacher", "logmel", "--num-codebooks", "2", "--codebook-size", "8", "--frames", "400", "--steps", "4"]


@pytest.fixture
def recordings(tmp_path) -> Path:
    """Six recordings of 2 s, each a second of noise and a second of a tone, and a broken file."""
    folder = tmp_path / "clips"
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(6):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * number) * np.arange(16000) / 16000)
        signal = np.concatenate([draws.uniform(-0.3, 0.3, 16000), tone]).astype(np.float32)
        soundfile.write(folder / f"{number}.wav", signal, 16000)
    (folder / "broken.wav").write_bytes(b"RIFF but nothing else")
    return folder


@pytest.fixture
def tokeniser(recordings, tmp_path, capsys) -> Path:
    assert main(["tokens", "fit", str(recordings), "--out", str(tmp_path / "tokeniser"), *FIT]) == 0
    capsys.readouterr()
    return tmp_path / "tokeniser"


def test_fit_encode_again_and_report(recordings, tokeniser, tmp_path, capsys):
    assert [row["id"] for row in read_jsonl(tokeniser / "rejected.jsonl")] == ["clips/broken.wav"]
    encode = ["tokens", "encode", str(recordings), "--tokeniser", str(tokeniser), "--out", str(tmp_path / "tokens")]
    assert main(encode) == 0 and "6 recordings tokenised" in capsys.readouterr().out
    store = TokenStore.open(tmp_path / "tokens")
    teacher, quantiser, _ = open_tokeniser(tokeniser)
    with open_recordings([recordings]) as opened:
        frames = teacher.frames([opened.corpus.read(opened.corpus.items[3])])[0]
    assert torch.equal(store["clips/3.wav"], quantiser.encode(frames)) and store.quantiser_id == quantiser.id

    soundfile.write(recordings / "new.wav", np.full(8000, 0.1, np.float32), 16000)
    assert main(encode) == 0 and "1 recordings tokenised" in capsys.readouterr().out
    assert len(TokenStore.open(tmp_path / "tokens")) == 7
    assert [row["id"] for row in read_jsonl(tmp_path / "tokens" / "rejected.jsonl")] == ["clips/broken.wav"]

    rows = [{"id": f"clips/{n}.wav", "segments": [["noise", 0.0, 1.0], ["tone", 1.0, 2.0]]} for n in range(6)]
    write_jsonl(tmp_path / "sounds.jsonl", rows)
    report = ["tokens", "report", str(recordings), "--tokeniser", str(tokeniser), "--out", str(tmp_path / "report")]
    assert main([*report, "--labels", str(tmp_path / "sounds.jsonl")]) == 0
    said = capsys.readouterr().out
    assert "Shannon bound" in said and "recordings; the quantiser was not fitted to these" in said
    assert "labels sounds, best codebook: purity " in said and "PNMI 0." in said
    measured = read_json(tmp_path / "report" / "tokens.json")
    assert measured["held_out"] and measured["labels"]["name"] == "sounds"
    assert max(measured["labels"]["pnmi"]) > 0.8  # noise and tones share no entry
    assert "logmel" in (tmp_path / "report" / "tokens.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "cuda:77"], "cannot use the device cuda:77: "),
        (["--device", "nonsense"], "cannot use the device nonsense: "),
        (["--frames", "0"], "expected at least one frame"),
        (["--frames", "-5"], "expected at least one frame"),
    ],
)
@pytest.mark.parametrize("action", ["fit", "report"])
def test_what_cannot_be_used_is_said_in_a_line(recordings, tokeniser, tmp_path, capsys, action, words, said):
    more = ["--teacher", "logmel"] if action == "fit" else ["--tokeniser", str(tokeniser)]
    assert main(["tokens", action, str(recordings), "--out", str(tmp_path / "out"), *more, *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_labels_of_other_recordings_are_refused(recordings, tokeniser, tmp_path, capsys):
    write_jsonl(tmp_path / "sounds.jsonl", [{"id": "0.wav", "segments": [["noise", 0.0, 1.0]]}])
    report = ["tokens", "report", str(recordings), "--tokeniser", str(tokeniser), "--out", str(tmp_path / "report")]
    assert main([*report, "--labels", str(tmp_path / "sounds.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "belong to none of the 6 recordings" in said and "'clips/0.wav'" in said and "'0.wav'" in said


def test_a_few_frames_that_fitting_left_over_do_not_stand_for_all(recordings, tokeniser, tmp_path, capsys):
    """One silent recording was all that was not fitted to, and its error a quotient of roundings (1e25)."""
    soundfile.write(recordings / "silent.wav", np.zeros(8000, np.float32), 16000)
    write_json(tokeniser / "fitted_to.json", [f"clips/{number}.wav" for number in range(6)])
    out = ["--tokeniser", str(tokeniser), "--out", str(tmp_path / "report")]
    assert main(["tokens", "report", str(recordings), *out]) == 0
    said = capsys.readouterr().out
    assert "625 frames of 7 recordings; the quantiser was fitted to some of these" in said
    measured = read_json(tmp_path / "report" / "tokens.json")
    assert not measured["held_out"] and 0 < measured["relative_error"] < 1.5
    assert main(["tokens", "report", str(recordings / "silent.wav"), *out]) == 2
    assert "equal ones (silence?)" in capsys.readouterr().err


def test_a_corpus_and_a_manifest_are_taken(recordings, tokeniser, tmp_path):
    from audiossl.signals.corpora.corpus import Item, build_corpus

    build_corpus([Item("one", recordings / "1.wav")], tmp_path / "corpus", progress=False)
    for paths in ([tmp_path / "corpus"], [tmp_path / "corpus" / "cuts.jsonl.gz"]):
        with open_recordings(paths) as opened:
            assert [item.id for item in opened.corpus.items] == ["one"] and opened.rejected == []


def test_an_id_that_the_store_holds_of_another_file_is_rejected(recordings, tokeniser, tmp_path, capsys):
    """Folders `s1/wav` and `s2/wav` name their files alike: the second was taken for the first, and lost."""
    for number in (1, 2):
        (tmp_path / f"s{number}" / "wav").mkdir(parents=True)
        (recordings / f"{number}.wav").rename(tmp_path / f"s{number}" / "wav" / "001.wav")
    out = tmp_path / "tokens"
    rest = ["--tokeniser", str(tokeniser), "--out", str(out)]
    runs = ((1, 0, "1 recordings tokenised"), (1, 0, "1 were there, 0 rejected"), (2, 2, "0 were there, 1 rejected"))
    for number, code, said in runs:
        assert main(["tokens", "encode", str(tmp_path / f"s{number}" / "wav"), *rest]) == code
        assert said in capsys.readouterr().out
    (row,) = read_jsonl(out / "rejected.jsonl")
    assert row["id"] == "wav/001.wav" and row["path"] == str(tmp_path / "s2" / "wav" / "001.wav")
    assert "duplicate id" in row["reason"] and all(str(tmp_path / name) in row["reason"] for name in ("s1", "s2"))


def test_what_an_earlier_call_rejected_stays_listed_until_it_succeeds(recordings, tokeniser, tmp_path):
    out = tmp_path / "tokens"
    rest = ["--tokeniser", str(tokeniser), "--out", str(out)]
    for name in ("", "1.wav"):
        assert main(["tokens", "encode", str(recordings / name), *rest]) == 0
        assert [row["id"] for row in read_jsonl(out / "rejected.jsonl")] == ["clips/broken.wav"]
    (recordings / "broken.wav").write_bytes((recordings / "1.wav").read_bytes())
    assert main(["tokens", "encode", str(recordings / "broken.wav"), *rest]) == 0
    assert read_jsonl(out / "rejected.jsonl") == []


def test_tokens_of_another_tokeniser_are_not_mixed(recordings, tokeniser, tmp_path, capsys):
    store = str(tmp_path / "tokens")
    assert main(["tokens", "encode", str(recordings), "--tokeniser", str(tokeniser), "--out", store]) == 0
    assert main(["tokens", "fit", str(recordings), "--out", str(tmp_path / "other"), *FIT, "--seed", "2"]) == 0
    capsys.readouterr()
    assert main(["tokens", "encode", str(recordings), "--tokeniser", str(tmp_path / "other"), "--out", store]) == 2
    assert "made otherwise" in capsys.readouterr().err


@pytest.fixture
def own_teacher(tmp_path):
    """A function that writes a run folder whose student has weights drawn from a seed."""
    three = (16,) * 3
    config = ZipformerConfig(
        num_mel_bins=16, downsampling_factor=(1, 4, 2), num_encoder_layers=(1, 1, 1), feedforward_dim=three, encoder_dim=three,
        encoder_unmasked_dim=(8,) * 3, cnn_module_kernel=(7, 5, 3), num_heads=(2,) * 3, frontend="conv1d", query_head_dim=8,
        value_head_dim=4,
    )  # fmt: skip

    def write(seed: int) -> Path:
        torch.manual_seed(seed)
        hub.save(Zipformer(config), tmp_path / "mine" / "pretrain" / "student")
        return tmp_path / "mine"

    return write


def test_tokens_of_a_teacher_that_was_trained_anew_are_not_mixed(recordings, own_teacher, tmp_path, capsys):
    tokeniser, store = tmp_path / "tokeniser", tmp_path / "tokens"
    fit = ["tokens", "fit", str(recordings), "--out", str(tokeniser), *FIT[2:], "--teacher", str(own_teacher(1))]
    encode = ["tokens", "encode", str(recordings), "--tokeniser", str(tokeniser), "--out", str(store)]
    assert main(fit) == 0 and main(encode) == 0
    own_teacher(2)
    capsys.readouterr()
    assert main(encode) == 2 and "not the weights that the tokeniser" in capsys.readouterr().err
    # A tokeniser of an older version says nothing of weights; the store does, or, being older as well, is gone on with.
    about = read_json(tokeniser / "teacher.json")
    del about["digest"]
    (tokeniser / "teacher.json").write_text(json.dumps(about))
    assert main(encode) == 2 and "teacher_digest is" in capsys.readouterr().err
    about = read_json(store / "store.json")
    del about["teacher_digest"], about["quality"]
    (store / "store.json").write_text(json.dumps(about))
    assert main([*encode, "--quality", "fast"]) == 0
    assert read_json(store / "store.json") == about


def test_qualities_are_not_mixed(recordings, tokeniser, tmp_path, capsys):
    encode = ["tokens", "encode", str(recordings), "--tokeniser", str(tokeniser), "--out", str(tmp_path / "tokens")]
    assert main([*encode, "--quality", "fast"]) == 0
    capsys.readouterr()
    assert main(encode) == 2 and "quality is 'fast', not 'default'" in capsys.readouterr().err
    assert TokenStore.open(tmp_path / "tokens").quality == "fast"


def test_stages_are_redone_when_a_local_teacher_was_trained_anew(own_teacher, tmp_path):
    (tmp_path / "prepare.py").write_text("def prepare_corpus(*_): ...\ndef prepare_labels(*_): ...\n")

    def prints(teacher: TeacherConfig) -> list[str]:
        done: dict[str, str] = {}
        for stage in stages(SpearRecipe("toy", teacher=teacher), tmp_path):
            done[stage.name] = fingerprint(stage, done)
        return [done["corpus"], done["quantiser"], done["tokens"]]

    mine = TeacherConfig(str(own_teacher(1)))
    first = prints(mine)
    own_teacher(1)
    assert prints(mine) == first
    own_teacher(2)
    second = prints(mine)
    assert second[0] == first[0] and second[1] != first[1] and second[2] != first[2]
    packaged = stages(SpearRecipe("toy", teacher=TeacherConfig("logmel")), tmp_path)[2]
    assert packaged.name == "quantiser"
    assert plain(packaged.config)[0] == plain({"logmel": [TeacherConfig("logmel"), QuantiserConfig()]})


def test_another_probe_keeps_the_student(tmp_path):
    (tmp_path / "prepare.py").write_text("def prepare_corpus(*_): ...\ndef prepare_labels(*_): ...\n")

    def prints(*tasks: TaskConfig) -> dict[str, str]:
        done: dict[str, str] = {}
        for stage in stages(SpearRecipe("toy", evaluation=EvaluationConfig(list(tasks))), tmp_path):
            done[stage.name] = fingerprint(stage, done)
        return done

    phones, words = TaskConfig("phones", "frames"), TaskConfig("words", "segments")
    none, one, two = prints(), prints(phones), prints(phones, words)
    assert all(none[name] == one[name] == two[name] for name in ("corpus", "quantiser", "tokens", "pretrain"))
    assert all(one[name] != two[name] for name in ("labels", "token_quality", "embed", "evaluate", "report"))


def test_errors_name_what_is_wrong(recordings, tokeniser, tmp_path, capsys):
    (tokeniser / "teacher.json").write_text(json.dumps({"kinds": 1}))
    with pytest.raises(StoreError, match="no whole tokeniser"):
        open_tokeniser(tokeniser)
    assert main(["tokens", "fit", str(tmp_path / "absent"), "--out", str(tmp_path / "x"), *FIT]) == 2
    assert "found nothing at" in capsys.readouterr().err
    assert main(["tokens", "fit", str(recordings), "--out", str(tmp_path / "x"), *FIT, "--layer", "9"]) == 2
    assert "layers 0 to" in capsys.readouterr().err and not (tmp_path / "x").exists()


def test_teachers_are_named_as_encoders_are():
    assert parse_teacher("hf:microsoft/wavlm-large", 21) == TeacherConfig("hf:microsoft/wavlm-large", 21)
    assert parse_teacher("hf:microsoft/wavlm-large:21") == parse_teacher("hf:microsoft/wavlm-large", 21)
    for name, layer in (("hf:a/b:c", None), ("hf:", None), ("hf:a/b:", None), ("hf:a/b:3", 4)):
        with pytest.raises(ConfigError, match="expected"):
            parse_teacher(name, layer)
    assert parse_teacher("dasheng:dasheng_12B") == TeacherConfig("dasheng:dasheng_12B")
    assert parse_teacher("logmel", normalise=False) == TeacherConfig("logmel", normalise=False)
    assert parse_teacher("runs/asterisk") == TeacherConfig("runs/asterisk")


@pytest.mark.slow
def test_ray_writes_the_same_bytes(recordings, tokeniser, tmp_path):
    pytest.importorskip("ray")
    for engine in (["--engine", "local"], ["--engine", "ray", "--workers", "2"]):
        out = tmp_path / engine[1]
        assert (
            main(["tokens", "encode", str(recordings), "--tokeniser", str(tokeniser), "--out", str(out / "tokens"), *engine]) == 0
        )
        assert main(["embed", "logmel", str(recordings), "--out", str(out / "frames"), *engine]) == 0
    files = sorted(path.relative_to(tmp_path / "local") for path in (tmp_path / "local").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "ray") for path in (tmp_path / "ray").rglob("*") if path.is_file())
    assert len(files) > 6
    for file in (file for file in files if file.name != "command.json"):  # which says the engine
        assert (tmp_path / "local" / file).read_bytes() == (tmp_path / "ray" / file).read_bytes(), file


def test_a_corpus_at_another_rate_is_read_at_the_teachers_and_never_taken_as_it_is(recordings, tokeniser, tmp_path):
    build_corpus([Item("one", recordings / "1.wav")], tmp_path / "corpus", 8000, progress=False)
    teacher, quantiser, _ = open_tokeniser(tokeniser)
    encode = ["tokens", "encode", str(tmp_path / "corpus"), "--tokeniser", str(tokeniser), "--out", str(tmp_path / "tokens")]
    assert main(encode) == 0 and TokenStore.open(tmp_path / "tokens").num_frames("one") == 100  # 2 s, not 1 s of 16 kHz
    corpus = Corpus.open(tmp_path / "corpus")
    for work in (fit_to_corpus, encode_corpus, measure_tokens):
        with pytest.raises(ConfigError, match="takes audio at 16000 Hz, the corpus is read at 8000 Hz"):
            arguments = [corpus, QuantiserConfig()] if work is fit_to_corpus else [quantiser, corpus]
            work(teacher, *arguments, *([tmp_path / "x"] if work is encode_corpus else []))


def test_a_tokeniser_of_an_own_teacher_is_used_when_its_code_is_trusted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text((Path(__file__).parents[2] / "own_student.py").read_text())
    Path("recordings").mkdir()
    for number in range(2):
        soundfile.write(f"recordings/{number}.wav", 0.1 * np.random.default_rng(number).standard_normal(16000), 16000)
    sizes = ["--num-codebooks", "1", "--codebook-size", "4", "--out", "tokeniser"]
    assert main(["tokens", "fit", "recordings", "--teacher", "mine.py:MyEncoder", *sizes]) == 0
    encode = ["tokens", "encode", "recordings", "--tokeniser", "tokeniser", "--out", "tokens"]
    assert main(encode) == 2 and "nothing was imported" in capsys.readouterr().err
    assert main([*encode, "--trust-code"]) == 0
    Path("mine.py").write_text(Path("mine.py").read_text() + "# changed\n")
    assert main([*encode, "--trust-code"]) == 2 and "has not the weights" in capsys.readouterr().err
