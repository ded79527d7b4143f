"""Every official corpus of SUPERB in a miniature of its published layout, down to a trained head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from superb_toy_tasks import Bands

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.superb.evaluate import evaluate_superb, find_tasks
from audiossl.pipelines.prepare_script import load_script

RECIPES = Path(__file__).parents[2] / "recipes" / "superb"
QUICK = {"updates": 2, "batch": 2, "accumulate": 1, "evaluations": 1, "hidden": 4}


def wav(path, seconds=0.4, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(round(16000 * seconds)), 16000)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def librispeech(root):
    text(root / "lexicon.txt", "GO G OW\nON AA N\nON AO N\n")
    for name in ("train-clean-100", "dev-clean", "test-clean"):
        for speaker in ("1", "2"):
            folder = root / name / speaker / "7"
            for i in range(2):
                folder.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / f"{speaker}-7-{i}.flac", np.zeros(8000) + 0.01, 16000)
            text(folder / f"{speaker}-7.trans.txt", f"{speaker}-7-0 GO ON\n{speaker}-7-1 ON WARD GO\n")


def speech_commands(root):
    main, test = root / "speech_commands_v0.01", root / "speech_commands_test_set_v0.01"
    for word in ("yes", "no", "bed"):
        for i in range(3):
            wav(main / word / f"s{i}_nohash_0.wav", seed=i)
        wav(test / ("_unknown_" if word == "bed" else word) / "t_nohash_0.wav")
    wav(main / "_background_noise_" / "hum.wav", seconds=4.0)
    wav(test / "_silence_" / "0.wav")
    text(main / "validation_list.txt", "yes/s1_nohash_0.wav\nno/s1_nohash_0.wav\nbed/s1_nohash_0.wav\n")
    text(main / "testing_list.txt", "yes/s2_nohash_0.wav\nno/s2_nohash_0.wav\nbed/s2_nohash_0.wav\n")


def quesst(root):
    for i in range(3):
        wav(root / "Audio" / f"doc_{i}.wav", seed=i)
    keys = "".join(f"quesst14Database/Audio/doc_{i}.wav nnenglish\n" for i in range(3))
    text(root / "scoring" / "language_key_utterances.lst", keys + "quesst14Database/Audio/other.wav czech\n")
    for name in ("dev", "eval"):
        wav(root / f"{name}_queries" / f"{name}_0.wav")
        text(root / "scoring" / f"language_key_{name}.lst", f"quesst14Database/{name}_queries/{name}_0.wav nnenglish\n")
        truth = root / "scoring" / f"groundtruth_quesst14_{name}" / f"quesst14_{name}.rttm"
        text(truth, f"LEXEME doc_1 1 0.0 0.1 {name}_0 lex <NA> <NA>\nLEXEME other 1 0.0 0.1 {name}_0 lex <NA> <NA>\n")


def voxceleb(root):
    names = [f"id{10000 + speaker}/v/{i:05d}.wav" for speaker in range(3) for i in range(4)]
    for number, name in enumerate(names):
        wav(root / ("test" if number >= 8 else "dev") / "wav" / name, seed=number)
    text(root / "iden_split.txt", "".join(f"{(1, 1, 2, 3)[i % 4]} {name}\n" for i, name in enumerate(names)))
    text(root / "veri_test.txt", f"1 {names[8]} {names[9]}\n1 {names[10]} {names[11]}\n0 {names[8]} {names[3]}\n")


def libri2mix_turns(root):
    for name in ("train", "dev", "test"):
        lines = []
        for i in range(2):
            wav(root / "wav" / f"{name}{i}.wav", seconds=1.0, seed=i)
            lines.append(f"{name}{i} wav/{name}{i}.wav\n")
        text(root / name / "wav.scp", "".join(lines))
        spoken = "".join(f"SPEAKER {name}{i} 1 0.{k} 0.5 <NA> <NA> s{k} <NA>\n" for i in range(2) for k in (1, 3))
        text(root / name / "rttm", spoken)


def libri2mix(root):
    for name in ("train-100", "dev", "test"):
        for part in ("mix_clean", "s1", "s2"):
            wav(root / name / part / "a_b.wav", seed=len(part))


def fluent(root):
    for split in ("train", "valid", "test"):
        wav(root / "wavs" / "s" / f"{split}.wav")
        row = f"0,wavs/s/{split}.wav,s1,turn on,activate,lights,none\n"
        text(root / "data" / f"{split}_data.csv", f",path,speakerId,transcription,action,object,location\n{row}")


def snips(root):
    lines = []
    for split, speaker in (("train", "Ivy"), ("valid", "Amy"), ("test", "Emma")):
        id_ = f"{speaker}-snips-{split}-0"
        wav(root / split / f"{id_}.wav")
        wav(root / split / f"Someone-snips-{split}-0.wav")
        lines.append(f"{id_} BOS play some jazz now EOS\tO O O B-genre O PlayMusic\n")
    text(root / "all.iob.snips.txt", "".join(lines))


def iemocap(root):
    for number in range(1, 6):
        session = root / f"Session{number}"
        rows = []
        for i in range(16):
            name = f"Ses0{number}F_impro01_F{i:03d}"
            wav(session / "sentences" / "wav" / f"Ses0{number}F_impro01" / f"{name}.wav", seconds=0.1)
            rows.append(f"[{i}.0 - {i}.9]\t{name}\t{('neu', 'exc', 'ang', 'sad')[i % 4]}\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n")
        text(session / "dialog" / "EmoEvaluation" / f"Ses0{number}F_impro01.txt", "".join(rows) + "[0.0 - 0.1]\tx\txxx\t[1]\n")


def voicebank(root):
    for half, names in (("trainset_28spk", ("p226_001", "p228_001")), ("testset", ("p232_001",))):
        for side in ("clean", "noisy"):
            for name in names:
                wav(root / f"{side}_{half}_wav" / f"{name}.wav", seconds=1.0, seed=len(side))


def common_voice(root):
    for name in ("train", "dev", "test"):
        wav(root / "es" / "clips" / f"{name}.wav")
        text(root / "es" / f"{name}.tsv", f'client_id\tpath\tsentence\nx\t{name}.wav\t¿Sí, "qué"?\n')


CORPORA = {
    "pr": librispeech, "asr": librispeech, "ks": speech_commands, "qbe": quesst, "sid": voxceleb, "asv": voxceleb,
    "sd": libri2mix_turns, "ss": libri2mix, "ic": fluent, "sf": snips, "er": iemocap, "se": voicebank, "ood_asr": common_voice,
}  # fmt: skip


@pytest.mark.parametrize("name", CORPORA)
def test_a_head_is_trained_on_a_miniature(name, tmp_path):
    if name == "se":
        for package in ("pesq", "pystoi"):
            pytest.importorskip(package, reason=f"{package} (extra superb) is not installed")
    CORPORA[name](tmp_path / "corpus")
    prepare = load_script(RECIPES / name / "prepare.py", ["prepare_tasks"]).module.prepare_tasks
    for again in range(2):
        prepare(tmp_path / "tasks", tmp_path / "corpus")
        found = find_tasks(tmp_path / "tasks")
        assert [task.kind.name.lower().replace("-", "_") for task in found] == [name], again
    folder, kind = found[0].folder, found[0].kind
    assert found[0].settings(7).updates == 7
    (folder / "superb_task.json").write_text(json.dumps({"task": kind.name, "settings": QUICK if name != "qbe" else {}}))
    rows = evaluate_superb(Embedder(Bands()), tmp_path / "tasks", tmp_path / "out", "bands", rates=[1e-2, 1e-3])
    assert [row.metric for row in rows] == list(kind.metrics)


@pytest.mark.parametrize("name", CORPORA)
def test_what_is_missing_is_named(name, tmp_path):
    prepare = load_script(RECIPES / name / "prepare.py", ["prepare_tasks"]).module.prepare_tasks
    with pytest.raises(ConfigError, match="--data-root"):
        prepare(tmp_path / "tasks", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"is missing|found none"):
        prepare(tmp_path / "tasks", tmp_path / "empty")


def test_pieces_of_rows():
    marked = load_script(RECIPES / "sf" / "prepare.py", ["marked"]).module.marked
    assert marked("BOS to new york now EOS\tO O B-city I-city O Go", "x") == "TO B-city NEW YORK E-city NOW"
    assert marked("BOS jazz rock EOS\tO B-genre B-genre Play", "x") == "B-genre JAZZ E-genre B-genre ROCK E-genre"
    with pytest.raises(DataError, match="x: expected a tag for each of 2 words, got 1"):
        marked("BOS a b EOS\tO O Go", "x")
