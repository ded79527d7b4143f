import json

import numpy as np
import pytest
import soundfile
from superb_toy_tasks import Bands, tone, write_rows

from audiossl.embedding.embedder import Embedder
from audiossl.errors import DataError
from audiossl.evaluation.superb.evaluate import evaluate_superb
from audiossl.evaluation.superb.tasks.diarization import Diarization
from audiossl.evaluation.superb.tasks.separation import Separation
from audiossl.evaluation.superb.tasks.spoken_queries import QueryByExample
from audiossl.evaluation.superb.tasks.verification import SpeakerVerification

QUICK = {"updates": 40, "lr": 0.01, "batch": 6, "accumulate": 1, "evaluations": 2, "hidden": 16}
SPLITS = ("train", "valid", "test")


def describe(folder, task, settings=QUICK):
    (folder / "superb_task.json").write_text(json.dumps({"task": task, "settings": settings}))
    return folder


def write(folder, name, signal):
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", signal, 16000)
    return f"{name}.wav"


def write_verification(folder):
    rng = np.random.default_rng(0)
    for split in SPLITS:
        rows = [
            {"id": f"{split}{i}", "wav_path": write(folder, f"{split}{i}", tone("abc"[i % 3] * 2, rng)), "label": "abc"[i % 3]}
            for i in range(9)
        ]
        write_rows(folder, split, rows)
        pairs = [{"id1": rows[i]["id"], "id2": rows[j]["id"], "same": int(i % 3 == j % 3)} for i in range(9) for j in range(i)]
        write_rows(folder, f"{split}_trials", pairs)
    return describe(folder, "ASV")


def write_diarization(folder):
    rng = np.random.default_rng(0)
    for split in SPLITS:
        rows = []
        for i in range(6):
            signal, segments = 0.003 * rng.standard_normal(16000), []
            for name, start, end in (("x", 0.1, 0.5 + 0.05 * i), ("y", 0.4, 0.9)):
                time = np.arange(round(16000 * (end - start))) / 16000
                signal[round(16000 * start) :][: len(time)] += 0.3 * np.sin(2 * np.pi * {"x": 300, "y": 1500}[name] * time)
                segments.append(f"{name}:{start:.2f}-{end:.2f}")
            rows.append({"id": f"{split}{i}", "wav_path": write(folder, f"{split}{i}", signal), "segments": " ".join(segments)})
        write_rows(folder, split, rows)
    return describe(folder, "SD", QUICK | {"updates": 120})


def write_mixtures(folder, task):
    rng = np.random.default_rng(0)
    for split in SPLITS:
        rows = []
        for i in range(4):
            one, other = (tone(letter * 5, rng) for letter in "ac")
            paths = [write(folder, f"{split}{i}_{number}", signal) for number, signal in enumerate((one, other, one + other))]
            columns = {"clean_path": paths[0]} if task == "SE" else {"source1_path": paths[0], "source2_path": paths[1]}
            rows.append({"id": f"{split}{i}", "wav_path": paths[2], **columns})
        write_rows(folder, split, rows)
    return describe(folder, task, QUICK | {"updates": 30, "batch": 4})


def write_queries(folder):
    rng = np.random.default_rng(0)
    for split in ("valid", "test"):
        spoken = {text: tone(text, rng) for text in ("abca", "cacb", "bbac")}
        documents = [np.concatenate([tone("ab", rng), signal, tone("c", rng)]) for signal in spoken.values()]
        documents += [tone(letter * 7, rng) for letter in "aabbcc"]
        rows = [
            {"id": f"d{i}", "wav_path": write(folder, f"{split}_d{i}", signal), "role": "document", "matches": ""}
            for i, signal in enumerate(documents)
        ]
        for i, signal in enumerate(spoken.values()):
            path = write(folder, f"{split}_q{i}", signal)
            rows.append({"id": f"q{i}", "wav_path": path, "role": "query", "matches": f"d{i}"})
        write_rows(folder, split, rows)
    return describe(folder, "QbE", {})


def test_all_of_them_run(tmp_path):
    write_verification(tmp_path / "tasks" / "asv")
    write_diarization(tmp_path / "tasks" / "sd")
    write_mixtures(tmp_path / "tasks" / "ss", "SS")
    write_queries(tmp_path / "tasks" / "qbe")
    rows = evaluate_superb(Embedder(Bands()), tmp_path / "tasks", tmp_path / "out", "bands")
    found = {(row.task, row.metric): row for row in rows}
    assert found["ASV", "eer"].value < 0.2 and found["ASV", "eer"].n == 36
    assert found["SD", "der"].value < 0.3 and found["SS", "si_sdri"].value > 0
    assert found["QbE", "mtwv"].value > 0 and found["QbE", "mtwv"].n == 3
    chosen = json.loads((tmp_path / "out" / "scores" / "qbe.json").read_text())["folds"][0]
    assert chosen["layer"] == max(range(2), key=lambda layer: chosen["valid_by_layer"][str(layer)])
    assert evaluate_superb(Embedder(Bands()), tmp_path / "tasks", tmp_path / "out", "bands") == rows


def test_enhancement_is_measured(tmp_path):
    for package in ("pesq", "pystoi"):
        pytest.importorskip(package, reason=f"{package} (extra superb) is not installed")
    write_mixtures(tmp_path / "tasks" / "se", "SE")
    rows = evaluate_superb(Embedder(Bands()), tmp_path / "tasks", tmp_path / "out", "bands", updates=2)
    found = {row.metric: row.value for row in rows}
    assert 1 <= found["pesq"] <= 4.7 and 0 <= found["stoi"] <= 1 and set(found) == {"pesq", "stoi", "si_sdri"}


@pytest.mark.parametrize(
    ("kind", "make", "file", "old", "new", "message"),
    [
        (SpeakerVerification, write_verification, "test_trials.csv", "test3", "nobody", "'nobody' is not in test"),
        (SpeakerVerification, write_verification, "valid_trials.csv", ",1\n", ",yes\n", "with same 0 or 1, got 'yes'"),
        (Diarization, write_diarization, "train.csv", "x:0.10-0.50", "x 0.10", "expected segments such as"),
        (Diarization, write_diarization, "train.csv", "x:0.10-0.50", "x:0.10-0.50 z:0.2-0.3", "expected one or two speakers"),
        (QueryByExample, write_queries, "test.csv", "query", "question", "expected the role query or document"),
        (Separation, lambda folder: write_mixtures(folder, "SS"), "valid.csv", "valid0_1.wav", "gone.wav", r"gone\.wav is"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(tmp_path, kind, make, file, old, new, message):
    folder = make(tmp_path / "task")
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        kind(folder)


def test_a_missing_list_of_trials(tmp_path):
    folder = write_verification(tmp_path / "task")
    (folder / "test_trials.csv").unlink()
    with pytest.raises(DataError, match=r"test_trials\.csv is missing: it holds the columns id1,id2,same"):
        SpeakerVerification(folder)
