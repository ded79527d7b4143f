"""What tasks and pre-training may share, who is scored, and that another encoder is another model."""

from __future__ import annotations

import itertools
import resource
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from bold_designs import designed

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json
from audiossl.load import encoder_folder, weights_digest
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.connectivity.checks import Checks
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel, PhenotypeTask, PretrainConfig
from audiossl.pipelines.connectivity.data import Runs, Stretch
from audiossl.pipelines.connectivity.readers import kept_correlation
from audiossl.pipelines.connectivity.rows import make_rows
from audiossl.pipelines.connectivity.tasks import Labelled
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording_set import write_recordings

REGIONS = [f"r{i}" for i in range(5)]


def runs_of(folder: Path, sessions: dict[str, list[str]], volumes: int = 120, **about) -> Runs:
    """A run of noise for each session that a person names; values of `about` are functions of the person's number."""

    def made():
        for number, (person, names) in enumerate(sessions.items()):
            for place, session in enumerate(names):
                series = np.random.default_rng([number, place]).standard_normal((5, volumes))
                said = {name: value(number) for name, value in about.items()}
                yield bold_run(f"{person}_{place}", person, series, 2.0, REGIONS, about={"session": session, **said})

    write_recordings(made(), folder / "set", one_rate=False)
    return Runs.open(folder / "set")


def recipe(
    part: Literal["first_half", "first_session", "all"] = "first_half", subjects: tuple[str, ...] = (), volumes: int = 20, **more
) -> ConnectivityRecipe:
    pretrain = PretrainConfig(part, list(subjects), crop=50)
    config = ConnectivityRecipe("toy", {"mae": GraphModel("connectivity_mae")}, pretrain=pretrain, **more)
    config.fingerprint.volumes, config.encoder.window = volumes, 20
    return config


def check(runs: Runs, kind: str, config: ConnectivityRecipe) -> None:
    """Check a model of some kind, and the labels of the recipe, on some runs."""
    config.models = {"m": GraphModel(kind)}
    Checks(tuple(make_rows(config).values()), config.phenotypes).check(designed(runs, config))


ONE, TWO, PAIR = ["a"], ["a", "b"], ["a", "a", "b"]


@pytest.mark.parametrize(
    ("sessions", "part", "subjects"),
    list(
        itertools.product(
            [[ONE, ONE, ONE], [TWO, TWO, TWO], [ONE, TWO, PAIR], [PAIR, PAIR, TWO], [["", ""]] * 3],
            ["first_half", "first_session", "all"],
            [(), ("p0",)],
        )
    ),
)
def test_what_is_to_be_identified_is_trained_on_only_where_that_is_asked_for(tmp_path, sessions, part, subjects):
    runs = runs_of(tmp_path, {f"p{i}": names for i, names in enumerate(sessions)})
    config = recipe(part, subjects)
    gallery, probes = designed(runs, config).fingerprint
    assert [runs.recordings[one.run].subject for one in gallery] == [runs.recordings[one.run].subject for one in probes]
    assert not any(one.meets(other) for one in gallery for other in probes)
    meets = any(set(range(a.first, a.last)) & set(range(b.first, b.last)) and a.run == b.run
                for a in designed(runs, config).training for b in probes)  # fmt: skip
    assert designed(runs, config).is_transductive == meets
    if meets and part != "all":
        with pytest.raises(DataError, match=f"pretrain.part={part} would train on the volumes that are to be identified"):
            make_rows(config)["mae"].check(designed(runs, config))
    else:
        make_rows(config)["mae"].check(designed(runs, config))
    if subjects:
        assert not meets
    elif part == "first_half":
        assert not meets and gallery[0] == Stretch(0, 0, 60)
    elif part == "all":
        with pytest.raises(DataError, match="are to be identified"):
            check(runs, "supervised_gin", config)


def test_a_cohort_has_more_runs_than_files_may_be_open(tmp_path):
    people = {f"p{i}": TWO for i in range(60)}
    runs_of(tmp_path, people)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 40, before[1]))
    try:
        runs = Runs.open(tmp_path / "set")
        assert len([runs.part(Stretch(i, 0, 60)) for i in range(120)]) == 120
        assert torch.equal(runs.of(["p7"]).part(Stretch(1, 10, 70)), runs.part(Stretch(15, 10, 70)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_first_session_is_all_of_its_runs(tmp_path):
    runs = runs_of(tmp_path, {"p0": PAIR, "p1": TWO})
    assert [one.run for one in designed(runs, recipe("first_session")).training] == [0, 1, 3]
    assert [one.run for one in designed(runs, recipe("first_session")).fingerprint[1]] == [2, 4]


def test_edges_are_held_out_or_not_reported(tmp_path):
    """Trained on everything there is no held-out edge; else a table of frequencies stands beside the model."""
    folder = Path(tmp_path / "toy")
    folder.mkdir()
    (folder / "prepare.py").write_text(
        "import numpy as np\nfrom audiossl.signals.bold.run import bold_run\n"
        "def recordings(data_root, limit):\n"
        "    for i in range(4):\n"
        "        rng = np.random.default_rng(i)\n"
        "        series = np.random.default_rng(9).standard_normal((8, 3)) @ rng.standard_normal((3, 160))\n"
        "        series = series + 0.5 * rng.standard_normal((8, 160))\n"
        "        series[:, 20:24] = np.nan\n"
        "        yield bold_run(f'p{i}', f'p{i}', series, 2.0, [f'r{k}' for k in range(8)], about={'age': 20.0 + i})\n"
    )
    (folder / "toy.yaml").write_text(
        "method: connectivity\ndataset: toy\nencoder: {window: 20, stride: 8, dim: 8, num_layers: 1}\n"
        "pretrain: {crop: 70}\nfingerprint: {volumes: 20, draws: 2}\n"
        "training: {optimiser: adamw, lr: 0.003, max_steps: 2, warmup_steps: 1, validate_every: 0, tensorboard: false}\n"
        "models: {connectivity_mae: {kind: connectivity_mae}, raw_fc: {kind: raw_fc}}\n"
    )
    run = run_pipeline(folder / "toy.yaml", [f"output={tmp_path / 'half'}"])
    found = {row.model: row.value for row in read_results(run / "results.json") if row.task == "held_out_edges"}
    assert 0 < found["training_frequencies"] < 0.611 and set(found) == {"connectivity_mae", "training_frequencies"}
    assert "16 of 640" in (run / "report.html").read_text()
    about = read_json(run / "model_connectivity_mae/seed1/encoder/config.json")["pretrained_on"]
    assert (about["dataset"], about["part"], about["seed"]) == ("toy", "first_half", 1)
    assert encoder_folder(run) == run / "model_connectivity_mae/seed1/encoder"
    whole = run_pipeline(folder / "toy.yaml", [f"output={tmp_path / 'all'}", "pretrain.part=all"])
    assert not any(row.task == "held_out_edges" for row in read_results(whole / "results.json"))
    assert "(transductive)" in (whole / "report.html").read_text()


def test_another_encoder_under_the_same_name_is_scored_anew(tmp_path):
    for number in range(2):
        torch.manual_seed(number)
        folder = tmp_path / f"run{number}" / "model_mae" / "seed1" / "encoder"
        ConnectivityEncoder(REGIONS, 2.0, ConnectivityConfig(window=20, dim=8)).save(folder, {"dataset": "toy"})
    first = weights_digest(tmp_path / "run0")
    assert first == weights_digest(tmp_path / "run0" / "model_mae" / "seed1" / "encoder")
    assert first != weights_digest(tmp_path / "run1")
    shutil.copytree(tmp_path / "run1" / "model_mae", tmp_path / "run0" / "model_other")
    with pytest.raises(ConfigError, match="2 encoders, name one"):
        encoder_folder(tmp_path / "run0")


def test_people_without_a_label_or_a_confound_are_left_out_and_named(tmp_path):
    ages = [30.0, float("nan"), 40.0, 50.0]
    runs = runs_of(tmp_path, {f"p{i}": ONE for i in range(4)}, sex=lambda i: ["", "f", "m", "f"][i], age=lambda i: ages[i])
    found = Labelled.of(runs, PhenotypeTask("sex", confounds=["age"]))
    assert found.subjects == ["p2", "p3"] and found.left_out == ["p0", "p1"] and found.confounds == {"age": [40.0, 50.0]}
    with pytest.raises(DataError, match=r"no run says its .height.; p0_0 says age, session, sex"):
        Labelled.of(runs, PhenotypeTask("height"))


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0.0, 1.0, 1.0], "auto", "is 0 or 1: set kind"),
        ([0.0, 1.0, 1.0], "class", ["0", "1", "1"]),
        ([0.0, 1.0, 1.0], "quantity", [0.0, 1.0, 1.0]),
        ([80.0, "89+", 70.0], "auto", "text for some and a number for others"),
        ([80.0, "89+", 70.0], "quantity", "expected label to be a number, got '89\\+'"),
        ([1.5, 2.5, 3.5], "auto", [1.5, 2.5, 3.5]),
        (["a", "b", "b"], "auto", ["a", "b", "b"]),
        (["0", "1", "1"], "auto", ["0", "1", "1"]),
        ([0, 1, 1], "auto", "is 0 or 1: set kind"),
        ([True, False, True], "class", ["1", "0", "1"]),
        (["23,5", "24,5", "25"], "auto", "text that looks like numbers, such as '23,5': set kind"),
        (["23.5", "24.5", "25"], "auto", "text that looks like numbers, such as '23.5': set kind"),
        (["23,5", "24,5", "25"], "quantity", "expected label to be a number, got '23,5'"),
        (["23.5", "2e1", "25"], "quantity", [23.5, 20.0, 25.0]),
        (["1_000", "2", "3"], "quantity", "expected label to be a number, got '1_000'"),
        ([1.0, float("inf"), 3.0], "quantity", "expected label to be a finite number, got inf"),
    ],
)
def test_kinds_of_labels(tmp_path, values, kind, expected):
    runs = runs_of(tmp_path, {f"p{i}": ONE for i in range(3)}, label=lambda i: values[i])
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            Labelled.of(runs, PhenotypeTask("label", kind=kind))
    else:
        assert Labelled.of(runs, PhenotypeTask("label", kind=kind)).labels == expected


def test_whole_numbers_that_many_people_share_may_be_codes(tmp_path):
    """Sites or diagnoses 1, 2, 3 would be regressed; ages in years are different enough, or ask for one word."""
    people = {f"p{i}": ONE for i in range(12)}
    runs = runs_of(tmp_path, people, code=lambda i: 1.0 + i % 3, age=lambda i: 20.0 + i, part=lambda i: 0.5 + i % 3)
    with pytest.raises(DataError, match="code is 1, 2 or 3: set kind: class or quantity"):
        Labelled.of(runs, PhenotypeTask("code"))
    assert Labelled.of(runs, PhenotypeTask("code", kind="class")).labels[:4] == ["1", "2", "3", "1"]
    assert Labelled.of(runs, PhenotypeTask("age")).labels[0] == 20.0
    assert Labelled.of(runs, PhenotypeTask("part")).labels[0] == 0.5


def test_who_has_no_family_or_label_is_known_by_name(tmp_path):
    runs = runs_of(
        tmp_path,
        {f"p{i}": ONE for i in range(4)},
        sex=lambda i: ["N/A", "f", "m", "f"][i],
        family=lambda i: ["", "x", "n/a", "x"][i],
    )
    found = Labelled.of(runs, PhenotypeTask("sex"))
    assert found.left_out == ["p0"] and found.families == ["x", "p2", "x"]


def test_mistakes_are_named_before_training(tmp_path):
    runs = runs_of(tmp_path, {f"p{i}": ONE for i in range(4)}, age=lambda i: 20.0 + i)
    with pytest.raises(ConfigError, match=r"fingerprint\.volumes=10 is less than encoder.window=20"):
        check(runs, "connectivity_mae", recipe(volumes=10))
    check(runs, "raw_fc", recipe(volumes=10))
    with pytest.raises(DataError, match="expected 5 people or families"):
        check(runs, "raw_fc", recipe(phenotypes=[PhenotypeTask("age")]))
    with pytest.raises(ConfigError, match="two phenotypes would be the rows phenotype_age"):
        recipe(phenotypes=[PhenotypeTask("age"), PhenotypeTask("age")])
    recipe(phenotypes=[PhenotypeTask("age"), PhenotypeTask("age", name="age_again")])
    for named, message in ((("p7",), "names p7; the data have p0, p1"), (("p0", "p1", "p2", "p3"), "names all 4 people")):
        with pytest.raises(DataError, match=message):
            check(runs, "connectivity_mae", recipe("all", named))
    with pytest.raises(ConfigError, match=r"models\.lone: models of kind tangent predict phenotypes only, and none is asked for"):
        make_rows(ConnectivityRecipe("toy", {"lone": GraphModel("tangent")}))


def test_censored_volumes_do_not_correlate(tmp_path):
    series = torch.randn(3, 5, 90, generator=torch.Generator().manual_seed(0))
    censored = series.clone()
    censored[1, :, 20:60] = torch.nan
    found = kept_correlation(censored)
    expected = np.corrcoef(np.delete(series[1].numpy(), range(20, 60), axis=1))
    np.testing.assert_allclose(found[1], expected, atol=1e-5)
    np.testing.assert_allclose(found[0], np.corrcoef(series[0].numpy()), atol=1e-5)
