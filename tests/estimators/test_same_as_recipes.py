"""Features of estimators next to those of the recipes' rows, with the same seed and budget."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audiossl.estimators import ConnectivityMAE, FrameProjection, MiniRocket, RandomEncoder, SimCLR, WindowStatistics
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.signals.sensors.recording_set import RecordingSet

MOTIONS = Path(__file__).resolve().parents[2] / "recipes/basic_motions"
BUDGET = {"rate": 10.0, "batch_size": 30, "steps": 60, "warmup_steps": 20, "lr": 0.003, "groups_per_batch": 0}

PREPARE = """
import numpy as np
from audiossl.signals.bold.run import bold_run

def recordings(data_root, limit):
    for person in range(6):
        rng = np.random.default_rng(person)
        series = rng.standard_normal((6, 3)) @ rng.standard_normal((3, 60)) + 0.5 * rng.standard_normal((6, 60))
        about = {"networks": "x|y|x|y|x|y", "group": "ab"[person % 2]}
        yield bold_run(f"p{person}", f"p{person}", series, 2.0, [f"r{i}" for i in range(6)], about=about)
"""
RECIPE = """
method: connectivity
dataset: toy
runs: {min_volumes: 50}
encoder: {window: 10, stride: 5, dim: 8, num_layers: 2}
pretrain: {part: all, crop: 40}
training: {optimiser: adamw, lr: 0.003, weight_decay: 0.0001, schedule: cosine, warmup_steps: 1, max_steps: 5, validate_every: 0,
           tensorboard: false}
fingerprint: {volumes: 0}
phenotypes: [{label: group, options: {folds: 3, repeats: 1}}]
models: {mae: {kind: connectivity_mae, options: {mask_kind: network}}}
"""


@pytest.mark.slow  # networks are trained twice
def test_windows_of_basic_motions(tmp_path):
    recipe = yaml.safe_load((MOTIONS / "frame_projection.yaml").read_text())
    del recipe["models"]["supervised"]
    recipe["training"] |= {"max_steps": 60, "warmup_steps": 20}
    recipe["models"]["minirocket"] = {"kind": "minirocket"}
    shutil.copy(MOTIONS / "prepare.py", tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    num_threads = torch.get_num_threads()
    out = run_pipeline(tmp_path / "recipe.yaml", [f"output={tmp_path / 'run'}"])
    assert torch.get_num_threads() == num_threads  # numba changes it in the last row
    recordings = list(RecordingSet(out / "recordings" / "set"))
    X, people = np.stack([one.values for one in recordings]), np.array([one.subject for one in recordings])
    y = np.array([one.annotations["activity"][0].value for one in recordings])
    known = np.array([name.startswith("train") for name in people])

    imu = {"kinds": "imu"}
    for row, variant, model in (
        ("frame_projection", "", FrameProjection(**BUDGET)),
        ("frame_projection", "none", FrameProjection(**BUDGET, mapper="none")),
        ("frame_projection", "mlp", FrameProjection(**BUDGET, mapper="mlp")),
        ("simclr", "", SimCLR(**BUDGET, augmentations=imu)),
        ("statistics", "", WindowStatistics()),
        ("random", "", RandomEncoder(dim=128)),
        ("minirocket", "", MiniRocket()),
    ):
        expected = load_file(out / f"model_{row}" / "seed1-fold0" / "features.safetensors")[variant]
        found = model.fit(X[known], groups=people[known]).transform(X)
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        correct = [probe.fit(one[known], y[known]).score(one[~known], y[~known]) for one in (found, expected)]
        gap = float(np.abs(found - expected).max() / np.abs(expected).max())
        print(
            f"{row} {variant}: {found.shape[1]} features, largest gap {gap:.1e}, accuracy {correct[0]:.3f} and {correct[1]:.3f}"
        )
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=1e-5)
        assert correct[0] == correct[1]


@pytest.mark.slow  # a whole run
def test_runs_of_bold(tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    (tmp_path / "toy.yaml").write_text(RECIPE)
    out = run_pipeline(tmp_path / "toy.yaml", [f"output={tmp_path / 'run'}"])
    X = np.stack([one.values for one in RecordingSet(out / "recordings" / "set")])
    expected = load_file(out / "model_mae" / "seed1" / "vectors.safetensors")
    for output, variant in (("edges", ""), ("nodes", "nodes"), ("pooled", "pooled")):
        model = ConnectivityMAE(
            window=10, stride=5, dim=8, num_layers=2, crop=40, lr=0.003, warmup_steps=1, steps=5, mask_kind="network",
            networks=[0, 1] * 3, output=output,
        )  # fmt: skip
        np.testing.assert_allclose(model.fit_transform(X), expected[f"runs/{variant}"], atol=1e-5)
