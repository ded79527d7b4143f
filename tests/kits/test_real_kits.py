"""The real s3prl, hearvalidator and heareval in environments of their own; builds what is not in $AUDIOSSL_KITS."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from hear_toy_tasks import write_event_task, write_scene_task
from safetensors.torch import load_file, save_file
from superb_toy_tasks import write_toy

from audiossl.errors import ConfigError
from audiossl.evaluation.hear.evaluate import evaluate_hear, rows_of_kit
from audiossl.evaluation.superb.evaluate import evaluate_superb
from audiossl.evaluation.superb.heads.query_search import subsequence_costs
from audiossl.exporters.hear import HearModel, export_hear
from audiossl.exporters.s3prl import export_s3prl
from audiossl.kits.environments import build_kit, run_kit
from audiossl.kits.hear_runs import run_heareval, validate_hear_module
from audiossl.kits.runs import run_s3prl_problem
from audiossl.kits.superb_problems import evaluate_superb_by_kit
from audiossl.load import load
from audiossl.models import Zipformer, hub

pytestmark = pytest.mark.slow

ASK_S3PRL = """
import sys, torch
from safetensors.torch import load_file, save_file
from audiossl.kits.s3prl_launcher import prepare_s3prl
prepare_s3prl()
from s3prl.nn import Featurizer, S3PRLUpstream
given = load_file(sys.argv[2])
upstream = S3PRLUpstream("audiossl", sys.argv[1]).eval()
with torch.no_grad():
    states, sizes = upstream(given["waves"], given["lengths"])
    summed, _ = Featurizer(upstream)(states, sizes)
save_file({"states": torch.stack(states), "sizes": sizes[0], "summed": summed}, sys.argv[3])
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    hub.save(Zipformer.from_preset("tiny"), folder)
    return str(folder)


@pytest.mark.parametrize("name", ["tiny", "logmel"])
def test_s3prl_sees_our_frames(name, tiny, tmp_path):
    build_kit("s3prl")
    model = tiny if name == "tiny" else name
    upstream = export_s3prl(model, tmp_path / "upstream")
    lengths = torch.tensor([40000, 16001, 2000])
    waves = 0.1 * torch.randn(3, 40000)
    save_file({"waves": waves, "lengths": lengths}, tmp_path / "given.safetensors")
    run_kit("s3prl", ["-c", ASK_S3PRL, str(upstream), str(tmp_path / "given.safetensors"), str(tmp_path / "got.safetensors")])
    got = load_file(tmp_path / "got.safetensors")
    embedder = load(model)
    stride = round(16000 / embedder.frame_rate)
    assert got["sizes"].tolist() == [-(-length // stride) for length in lengths.tolist()]
    for row, length in enumerate(lengths.tolist()):
        ours = embedder.embed(waves[row, :length], layers="all").frames
        count = ours.shape[1]
        size = int(got["sizes"][row])
        torch.testing.assert_close(got["states"][:, row, : min(count, size)], ours[:, :size], atol=1e-5, rtol=1e-5)
        assert (got["states"][:, row, count:size] == got["states"][:, row, count - 1 : count]).all()
        # Layer weights begin equal, so that the featuriser's sum is the mean of the layers.
        torch.testing.assert_close(got["summed"][row, : min(count, size)], ours[:, :size].mean(0), atol=1e-5, rtol=1e-5)


def test_one_of_s3prls_problems_is_trained_and_tested(tiny, tmp_path):
    build_kit("s3prl")
    upstream = export_s3prl(tiny, tmp_path / "upstream")
    scores = run_s3prl_problem("CommonExample", upstream, tmp_path / "problem")
    assert list(scores) == ["test"] and 0 <= scores["test"]["accuracy"] <= 1
    with pytest.raises(ConfigError, match=r"wrote no result\.yaml"):
        run_s3prl_problem("NoProblem", upstream, tmp_path / "none")


def write_tables(folder, column, value_of):
    """Tones of two pitches: eight clips to train on, four to choose by, four to test on."""
    folder.mkdir()
    for split, count in (("train", 8), ("valid", 4), ("test", 4)):
        lines = [f"id,wav_path,{column}"]
        for i in range(count):
            pitch = (300, 1200)[i % 2]
            clip = 0.3 * np.sin(2 * np.pi * (pitch + 7 * i) * np.arange(16000) / 16000)
            soundfile.write(folder / f"{split}{i}.wav", clip, 16000)
            lines.append(f"{split}{i},{folder / f'{split}{i}.wav'},{value_of(pitch)}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("problem", ["SuperbSID", "SuperbKS"])
def test_superb_problems_learn_from_tables(problem, tiny, tmp_path):
    build_kit("s3prl")
    upstream = export_s3prl(tiny, tmp_path / "upstream")
    tables = write_tables(tmp_path / "tables", "label", lambda pitch: "low" if pitch < 500 else "high")
    steps = ["--train.total_steps", "20", "--train.eval_step", "10", "--train.save_step", "10", "--train.log_step", "10"]
    steps += ["--build_optimizer.conf.lr", "0.01", "--train.gradient_accumulate", "1"]
    scores = run_s3prl_problem(problem, upstream, tmp_path / "problem", tables, steps)
    assert scores["test"]["accuracy"] == 1.0


@pytest.mark.parametrize(("layers", "pooling"), [("last", "mean"), ("all", "mean+max")])
def test_hearvalidator_passes(tiny, tmp_path, layers, pooling):
    build_kit("hear")
    for name in (tiny, "logmel"):
        printed = validate_hear_module(export_hear(name, tmp_path / "my_embed.py", layers, pooling))
        assert "Looks good!" in printed


def test_heareval_scores_a_scene_task(tiny, tmp_path):
    build_kit("hear")
    write_scene_task(tmp_path / "tasks", clips_per_class=6)
    module = export_hear(tiny, tmp_path / "my_embed.py")
    scores = run_heareval(module, tmp_path / "tasks", tmp_path / "out", grid="faster", grid_points=2)
    # Ten epochs of the kit's quickest grid: enough to be far above chance, one in three.
    assert scores["toy_tones-v1-full"]["aggregated_scores"]["test_top1_acc_mean"] > 0.8


def test_heareval_finds_events_where_our_timestamps_say(tmp_path):
    build_kit("hear")
    write_event_task(tmp_path / "tasks")
    module = export_hear("logmel", tmp_path / "my_embed.py")
    scores = run_heareval(module, tmp_path / "tasks", tmp_path / "out", grid="faster", grid_points=1, timeout=300)
    assert scores["toy_beeps-v1-full"]["test"]["test_event_onset_50ms_fms_f_measure"] > 0.9


@pytest.mark.parametrize("task", ["toy_tones-v1-full", "toy_beeps-v1-full"])
def test_our_hear_has_heareval_s_numbers(task, tmp_path):
    build_kit("hear")
    write_scene_task(tmp_path / "tasks", clips_per_class=8)
    write_event_task(tmp_path / "tasks")
    module = export_hear("logmel", tmp_path / "my_embed.py")
    kit = run_heareval(module, tmp_path / "tasks", tmp_path / "kit", task, grid="faster", grid_points=3)
    theirs = {(row.dataset, row.metric): row.value for row in rows_of_kit(kit, tmp_path / "tasks", "kit")}
    rows = evaluate_hear(HearModel.from_name("logmel"), tmp_path / "tasks", tmp_path / "ours", "ours", [task], "faster", 3)
    # The same draws in the same order: what differs is the rounding of other builds.
    assert {(row.dataset, row.metric): pytest.approx(row.value, abs=1e-5) for row in rows} == theirs


TOYS = {  # columns of random words of three tones, and how long to train until the words are learned
    "SID": ({"letters": 1}, {"updates": 60, "lr": 0.01, "batch": 8}),
    "KS": ({"letters": 1}, {"updates": 60, "lr": 0.01}),
    "PR": ({"values": lambda text: {"transcription": " ".join(text)}}, {"updates": 600, "lr": 0.01, "batch": 16}),
    # Of clips shorter than a second SpecAugment leaves too little: these have up to twelve tones.
    "ASR": (
        {"values": lambda text: {"transcription": text}, "letters": 12},
        {"updates": 1400, "lr": 0.003, "batch": 32, "hidden": 64},
    ),
}


@pytest.mark.parametrize("task", TOYS)
def test_our_superb_has_s3prl_s_numbers(task, tiny, tmp_path):
    build_kit("s3prl")
    made, trained = TOYS[task]
    write_toy(tmp_path / "tasks" / "toy", task, count=48, settings={"evaluations": 4, "accumulate": 1} | trained, **made)
    kit = evaluate_superb_by_kit(tiny, tmp_path / "tasks", tmp_path / "kit", "kit")
    ours = evaluate_superb(load(tiny), tmp_path / "tasks", tmp_path / "ours", "ours")
    # Learned by both; what the two make of the stand-ins of recipes/superb is in its README.
    assert [row.metric for row in kit] == [row.metric for row in ours]
    for one, other in zip(ours, kit, strict=True):
        assert abs(one.value - other.value) <= 0.02, (one, other)
        assert (one.value > 0.95) if one.metric == "accuracy" else (one.value < 0.05)


def test_dtw_pythons_costs_in_the_kit(tmp_path):
    build_kit("s3prl")
    script = (
        "import numpy as np, sys; from dtw import dtw; d = np.load(sys.argv[1]);"
        "print(dtw(d, step_pattern='asymmetric', open_begin=True, open_end=True).normalizedDistance)"
    )
    for seed, (rows, columns) in enumerate(((5, 40), (12, 13), (20, 15))):
        distances = np.random.default_rng(seed).random((rows, columns))
        np.save(tmp_path / "distances.npy", distances)
        printed = run_kit("s3prl", ["-c", script, str(tmp_path / "distances.npy")])
        ours = subsequence_costs(distances[:, None], np.array([columns]))[0]
        assert float(printed.strip().splitlines()[-1]) == pytest.approx(ours, abs=1e-12)
