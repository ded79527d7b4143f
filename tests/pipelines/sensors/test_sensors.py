"""The sensor pipeline on a few made-up people: a run, its resumption, and that nothing of a test person reaches training."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from page_words import numbers_in, prose_of, raw_python
from safetensors.torch import load_file

import audiossl
from audiossl.cli import main
from audiossl.errors import AudiosslError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json
from audiossl.models.banks import minirocket
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.sensors import plain_rows
from audiossl.pipelines.sensors import stages as sensors
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.objective_rows import ObjectiveRow
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.recipe import read_recipe
from audiossl.signals.sensors.recording_set import RecordingSet

PREPARE = """
import numpy as np
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

def recordings(data_root, limit):
    yield Rejected("broken", "broken.csv is cut short")
    for person in range(6):
        rng = np.random.default_rng(person)
        time = np.arange(1200) / 50
        walk = np.sin(2 * np.pi * (1.8 + 0.1 * person) * time) * (time < 12) + 0.3 * rng.normal(size=1200)
        values = np.stack([walk, rng.normal(size=1200), np.where(time < 12, 0.0, 1.0) + 0.1 * rng.normal(size=1200)])
        {scale}
        marks = (Annotation(0.0, 12.0, "walk"), Annotation(12.0, 24.0, "sit"))
        yield SensorRecording(
            f"p{person}_1", f"p{person}", 50.0, ("x", "y", "z"), ("g",) * 3, values.astype(np.float32), {"activity": marks}
        )
"""

RECIPE = """
method: sensors
dataset: toy
windows: {seconds: 1.28, hop: 0.64}
subjects: {test: [p4, p5], valid: 1}
encoder: {width: 8, num_blocks: 4, dim: 16}
batches: {size: 16, subjects: 2, neighbours: 1.0}
training: {optimiser: adamw, lr: 0.003, schedule: constant, max_steps: 6, warmup_steps: 1, validate_every: 0, tensorboard: false}
task: {finetune_steps: 25, fractions: [1.0, 0.1], bootstrap: 50}
models:
  frame_projection: {kind: frame_projection, mappers: [real, none, mlp]}
  control: {kind: frame_projection, mappers: [real], untrained: true}
  simclr: {kind: simclr, options: {augmentations: {axes: [0]}}, finetune: true}
  statistics: {kind: statistics}
  random: {kind: random}
  supervised: {kind: supervised}
"""

STATISTICS = "models={statistics: {kind: statistics}, random: {kind: random}}"


def write_recipe(folder: Path, scale: str = "pass") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prepare.py").write_text(PREPARE.replace("{scale}", scale))
    (folder / "toy.yaml").write_text(RECIPE)
    return folder / "toy.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sensors")
    recipe = write_recipe(folder / "toy")
    return recipe, run_pipeline(recipe, [f"output={folder / 'run'}", "seeds=[1,2]"])


def test_every_row_has_its_readouts(finished):
    _, run = finished
    rows = read_results(run / "results.json")
    probed = {"control", "frame_projection", "frame_projection_none", "frame_projection_mlp", "simclr", "statistics", "random"}
    found = {(row.task, row.metric): {r.model for r in rows if (r.task, r.metric) == (row.task, row.metric)} for row in rows}
    for task in ("activity", "activity_10pct"):
        for metric in ("accuracy", "macro_f1", "weighted_f1", "kappa"):
            assert found[task, metric] == probed | {"simclr_finetuned", "supervised"}
    assert found["activity", "knn_accuracy"] == found["activity", "auroc"] == probed
    value = {row.model: row.value for row in rows if (row.task, row.metric) == ("activity", "accuracy")}
    assert value["statistics"] > 0.9
    assert value["supervised"] > 0.9
    assert {row.n for row in rows} == {2 * 34}
    details = read_json(run / "evaluate" / "details.json")
    assert set(details["readouts"]["probe"]["simclr"]["subjects"]) == {"p4", "p5"}
    assert len(details["readouts"]["probe"]["simclr"]["seeds"]) == 2
    assert len(details["readouts"]["probe"]["statistics"]["seeds"]) == 2
    assert "broken.csv is cut short" in (run / "report.html").read_text()
    assert {row.groups for row in rows} == {2} and all(set(row.scores) == {"p4", "p5"} for row in rows if row.scores)


def test_the_page_has_one_unit_for_shares_and_no_raw_python(finished):
    _, run = finished
    details = read_json(run / "evaluate" / "details.json")
    shares = [value for models in details["readouts"].values() for found in models.values() for value in found["seeds"]]
    shares += [
        value for models in details["readouts"].values() for m in models.values() for value in m["subjects"].values() if value
    ]
    page = prose_of(run / "report.html")
    assert not raw_python(page)
    assert {f"{100 * value:.1f}" for value in shares} <= numbers_in(page)
    assert not {f"{value:.3f}" for value in shares if 0.05 < value < 0.999} & numbers_in(page)
    assert "over 2 groups" in page and "(2)" in page


def test_a_finished_run_is_left_alone_and_an_interrupted_one_goes_on(finished, capsys):
    recipe, run = finished
    before = (run / "results.json").read_bytes()
    run_pipeline(recipe, [f"output={run}", "seeds=[1,2]"])
    assert "all stages are up to date" in capsys.readouterr().err
    assert (run / "results.json").read_bytes() == before


def test_seeds_differ_and_are_repeated_to_the_byte(finished, tmp_path):
    recipe, run = finished
    run_pipeline(recipe, [f"output={tmp_path / 'again'}", "seeds=[1]"], last="model_frame_projection")
    first, second, again = (
        load_file(folder / "features.safetensors")
        for folder in (
            run / "model_frame_projection" / "seed1-fold0",
            run / "model_frame_projection" / "seed2-fold0",
            tmp_path / "again" / "model_frame_projection" / "seed1-fold0",
        )
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first[""], second[""])


def test_the_saved_encoder_gives_the_features_that_were_probed(finished):
    """Features come in evaluation mode: two passes, and a pass of the saved weights, agree."""
    recipe, run = finished
    place = run / "model_simclr" / "seed1-fold0"
    encoder = audiossl.load(place / "encoder")
    config = read_recipe(recipe, ["seeds=[1,2]"], {"sensors": SensorsRecipe})
    fold = SensorFolds(run / "recordings" / "set", FoldsConfig.of(config)).open(0)
    features = load_file(place / "features.safetensors")[""]
    recordings = {recording.id: recording for recording in RecordingSet(run / "recordings" / "set").recordings}
    for row in (0, 7, 40):
        name, _, start = fold.windows.ids[fold.task.rows[row]].rpartition("@")
        window = np.array(recordings[name].values[:, int(start) : int(start) + 64])
        for _ in range(2):
            torch.testing.assert_close(encoder.embed(window).pooled, features[row], rtol=1e-3, atol=1e-4)


def test_a_loaded_encoder_is_a_row_and_reads_recordings_in_their_units(finished, tmp_path):
    recipe, run = finished
    place = run / "model_simclr" / "seed1-fold0"
    models = f"models={{mine: {{kind: encoder, options: {{name: {place / 'encoder'}}}}}}}"
    other = run_pipeline(recipe, [f"output={tmp_path / 'run'}", models])
    mine = load_file(other / "model_mine" / "seed1-fold0" / "features.safetensors")[""]
    torch.testing.assert_close(mine, load_file(place / "features.safetensors")[""], rtol=1e-3, atol=1e-4)
    with pytest.raises(AudiosslError, match="reads recordings in their units"):
        run_pipeline(recipe, [f"output={tmp_path / 'no'}", models, "windows.normalise=window"])


def test_an_encoder_is_evaluated_from_the_command_line(finished, tmp_path):
    recipe, run = finished
    encoder = run / "model_simclr" / "seed1-fold0" / "encoder"
    assert main(["evaluate", "sensors", str(encoder), str(recipe), f"output={tmp_path / 'run'}"]) == 0
    found = {(row.task, row.metric, row.model): row.value for row in read_results(tmp_path / "run" / "results.json")}
    trained = {(row.task, row.metric, row.model): row.value for row in read_results(run / "results.json")}
    assert {model for _, _, model in found} == {"encoder", "statistics", "random"}
    assert 0 < found["activity", "accuracy", "encoder"] <= 1
    assert found["activity", "accuracy", "statistics"] == trained["activity", "accuracy", "statistics"]


def test_people_whom_an_encoder_saw_are_not_tested_without_a_word(finished, tmp_path, capsys):
    recipe, run = finished
    encoder = run / "model_simclr" / "seed1-fold0" / "encoder"
    origin = read_json(encoder / "config.json")["pretrained_on"]
    assert origin == {"dataset": "toy", "subjects": ["p0", "p1", "p2", "p3"], "seed": 1, "fold": 0}
    assert "pretrained_on" not in read_json(run / "model_control" / "seed1-fold0" / "encoder" / "config.json")
    call = ["evaluate", "sensors", str(encoder), str(recipe), f"output={tmp_path / 'run'}"]
    assert main([*call, "subjects.test=[p1, p5]"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "was pre-trained on 1 of those that are tested here (p1)" in said and "subjects.test=[p4, p5]" in said
    assert main([*call, "subjects.test=[]", "subjects.folds=2"]) == 2
    shutil.copytree(encoder, tmp_path / "alone" / "model_simclr" / "seed1-fold0" / "encoder")
    assert main([*call[:2], str(tmp_path / "alone"), *call[3:], "subjects.test=[p1, p5]"]) == 2  # by its run, too
    options = f"{{name: {encoder}, transductive: true}}"
    known = run_pipeline(
        recipe,
        [f"output={tmp_path / 'known'}", "subjects.test=[p1, p5]", f"models={{mine: {{kind: encoder, options: {options}}}}}"],
    )
    page = (known / "report.html").read_text()
    assert "The encoder of mine was pre-trained, without labels, on 1 of the 2 that are tested." in page
    assert "never seen" not in page
    assert main([*call, "dataset=other", "subjects.test=[p1, p5]"]) == 0  # people of the same name, somewhere else
    page = (tmp_path / "run" / "report.html").read_text()
    assert "never seen people" in page and "was pre-trained on toy, on none of those that are tested" in page


def test_other_units_are_refused_or_converted_and_lost_labels_are_said(finished, tmp_path, capsys):
    """The people of the encoder's own set, in m/s^2 in place of g, with a label that is too short and one that is not known."""
    _, run = finished
    encoder = run / "model_simclr" / "seed1-fold0" / "encoder"
    other = write_recipe(tmp_path / "other", scale="values = values * 9.80665")
    prepare = other.with_name("prepare.py")
    marks = '(Annotation(0.0, 12.0, "walk"), Annotation(1.0, 1.1, "wave"), Annotation(2.0, 3.0, None), '
    text = prepare.read_text().replace('("g",)', '("m/s^2",)').replace('(Annotation(0.0, 12.0, "walk"), ', marks)
    prepare.write_text(text)
    call = ["evaluate", "sensors", str(encoder), str(other), f"output={tmp_path / 'run'}", "task.fractions=[1.0]"]
    assert main(call) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "takes x in g, y in g, z in g; the recordings, such as p0_1, have x in m/s^2" in said and "--convert-units" in said
    assert main([*call, "--convert-units"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    lost = "6 of 18 labels of activity are in no window (6 covered by no whole window); 6 labels of activity not known"
    assert lost in said and lost in (tmp_path / "run" / "report.html").read_text()
    counts = {"task": "activity", "labels": 18, "held": 12, "partly": 6, "unknown": 6, "labelled": 6 * 34}
    for found in (
        read_json(tmp_path / "run" / "model_encoder" / "labels.json"),
        read_json(tmp_path / "run" / "evaluate" / "details.json")["labels"],
    ):
        assert counts.items() <= found.items()
    converted = load_file(tmp_path / "run" / "model_encoder" / "seed1-fold0" / "features.safetensors")[""]
    own = load_file(run / "model_simclr" / "seed1-fold0" / "features.safetensors")[""]
    torch.testing.assert_close(converted, own, rtol=1e-3, atol=1e-4)


def test_another_encoder_under_the_same_name_is_read(finished, tmp_path, capsys):
    recipe, run = finished
    place = tmp_path / "encoder"
    shutil.copytree(run / "model_simclr" / "seed1-fold0" / "encoder", place)
    models = f"models={{mine: {{kind: encoder, options: {{name: {place}}}}}}}"
    first = run_pipeline(recipe, [f"output={tmp_path / 'run'}", models])
    before = load_file(first / "model_mine" / "seed1-fold0" / "features.safetensors")[""]
    shutil.copytree(run / "model_simclr" / "seed2-fold0" / "encoder", place, dirs_exist_ok=True)
    capsys.readouterr()
    run_pipeline(recipe, [f"output={tmp_path / 'run'}", models])
    assert "all stages are up to date" not in capsys.readouterr().err
    assert not torch.equal(load_file(first / "model_mine" / "seed1-fold0" / "features.safetensors")[""], before)
    run_pipeline(recipe, [f"output={tmp_path / 'run'}", models])
    assert "all stages are up to date" in capsys.readouterr().err


def test_rejections_and_limits_are_said_where_subjects_are_missing(tmp_path, capsys):
    recipe = write_recipe(tmp_path / "toy")
    with pytest.raises(AudiosslError, match=r"p9 are not in the set.*1 recording was rejected \(first: broken: .*limit=7 left"):
        run_pipeline(recipe, [f"output={tmp_path / 'run'}", STATISTICS, "subjects.test=[p9]", "limit=7"])
    assert "1 recording was rejected (first: broken: broken.csv is cut short)" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(AudiosslError, match=r"got 9\. 1 recording was rejected"):
        run_pipeline(recipe, [f"output={tmp_path / 'run'}", STATISTICS, "subjects.test=[]", "subjects.folds=9"])


def test_the_report_says_where_subjects_are_no_people(tmp_path):
    recipe = write_recipe(tmp_path / "toy")
    run = run_pipeline(recipe, [f"output={tmp_path / 'run'}", STATISTICS, "subjects_are=recordings"])
    assert "on never seen recordings, which are no people" in (run / "report.html").read_text()


def test_nothing_of_a_test_person_reaches_training(finished, tmp_path):
    """With the test people's signals multiplied by 1,000 all that was learned stays the same."""
    _, run = finished
    changed = write_recipe(tmp_path / "toy", scale="values = values * 1000 if person >= 4 else values")
    other = run_pipeline(changed, [f"output={tmp_path / 'run'}", "seeds=[1]"], last="model_simclr")
    for model in ("frame_projection", "simclr"):
        weights = [
            load_file(folder / f"model_{model}" / "seed1-fold0" / "encoder" / "model.safetensors") for folder in (run, other)
        ]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    trained_on = read_json(other / "model_simclr" / "seed1-fold0" / "done.json")["trained_on"]
    assert sorted(trained_on) == ["p0", "p1", "p2", "p3"]


def test_folds_test_everybody_once(tmp_path):
    recipe = write_recipe(tmp_path / "toy")
    overrides = [f"output={tmp_path / 'run'}", "subjects.test=[]", "subjects.folds=3", "models={statistics: {kind: statistics}}"]
    run = run_pipeline(recipe, overrides)
    subjects = read_json(run / "evaluate" / "details.json")["readouts"]["probe"]["statistics"]["subjects"]
    assert sorted(subjects) == [f"p{i}" for i in range(6)]
    once = run_pipeline(recipe, [*overrides, f"output={tmp_path / 'once'}", "subjects.rounds=1"])
    assert len(read_json(once / "evaluate" / "details.json")["readouts"]["probe"]["statistics"]["subjects"]) == 2


def test_one_test_person_gives_values_and_says_that_there_is_no_interval(tmp_path, capsys):
    recipe = write_recipe(tmp_path / "toy")
    run = run_pipeline(recipe, [f"output={tmp_path / 'run'}", "subjects.test=[p4]", STATISTICS])
    rows = read_results(run / "results.json")
    assert all((row.low, row.high, row.groups) == (None, None, 1) for row in rows)
    details = read_json(run / "evaluate" / "details.json")
    assert not any(details["differences"].values())
    assert "one test subject, p4: values have no interval" in capsys.readouterr().err.replace("\n", " ")
    page = (run / "report.html").read_text()
    assert "one test subject, p4" in page and "95 % interval over subjects" not in page


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("subjects.test=[p4, nobody]", "test subjects nobody are not in the set"),
        ("task.classes=[walk, fly]", "no recording has fly under 'activity'"),
        ("models={x: {kind: simclr, options: {tau: 1.0}}}", r"models\.x\.options\.tau: expected one of the keys"),
        ("models={x: {kind: frame_projection, options: {view: 1}}}", r"models\.x\.options\.view: .*did you mean views"),
        (
            "models={x: {kind: frame_projection, options: {loss: ntxent}}}",
            r"x\.options: .*no loss 'ntxent'",
        ),
        ("models={x: {kind: frame_projection, options: {options: {gabor: {kernel: 4}}}}}", "models.x: .*takes an odd kernel"),
        (
            "models={x: {kind: vicreg, options: {batch_norm: perhaps}}}",
            r"models\.x\.options\.batch_norm: expected true or false, got 'perhaps'",
        ),
        (
            "models={fp: {kind: frame_projection, mappers: [real, none]}, fp_none: {kind: random}}",
            "models fp and fp_none both give a row 'fp_none'",
        ),
        ("models={x: {kind: simclr, finetune: true}, x_finetuned: {kind: random}}", "both give a row 'x_finetuned'"),
        ("models={x: {kind: frame_projection, mappers: []}}", r"models.x.mappers: expected at least one mapper"),
        ("models={x: {kind: frame_projection, mappers: [real, real]}}", r"each once"),
        ("seeds=[]", "at least one model and one seed"),
    ],
)
def test_mistakes_in_a_recipe_are_named(tmp_path, override, message):
    with pytest.raises(AudiosslError, match=message):
        run_pipeline(write_recipe(tmp_path / "toy"), [f"output={tmp_path / 'run'}", override])


RECIPES = Path(__file__).resolve().parents[3] / "recipes"
SENSOR_FILES = [
    path
    for path in sorted(RECIPES.glob("*/*.yaml"))
    if path.parent.name != "own" and yaml.safe_load(path.read_text())["method"] == "sensors"
]


@pytest.mark.parametrize("path", SENSOR_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipe_files_are_whole(path, monkeypatch):
    """Their options are known, their script has the function, and every objective that they name can be made."""
    for module in (plain_rows, minirocket):
        monkeypatch.setattr(module, "import_extra", lambda *_: None)  # MiniRocket needs aeon when it runs
    config = read_recipe(path, [], {"sensors": SensorsRecipe})
    names = [stage.name for stage in sensors.stages(config, path.parent)]
    assert names == ["recordings", *(f"model_{name}" for name in config.models), "evaluate", "report"]
    for row in make_rows(config).values():
        if isinstance(row, ObjectiveRow):
            row.make_objective(row.draw_encoder(6, 50.0))
    assert f"audiossl run recipes/{path.parent.name}/{path.name}" in path.read_text()
    assert len(SENSOR_FILES) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hapt", "seglearn", "basic_motions", "heartpy_ppg", "asterisk"])
def test_smoke_run_on_real_recordings(name, tmp_path):
    """From the package to a table with three steps of training; it needs the network unless the package is in the cache."""
    short = ["training.max_steps=3", "training.warmup_steps=1", "training.tensorboard=false", "task.finetune_steps=2"]
    run = run_pipeline(RECIPES / name / "frame_projection.yaml", [f"output={tmp_path / 'run'}", "task.bootstrap=50", *short])
    rows = read_results(run / "results.json")
    assert {"frame_projection", "statistics"} <= {row.model for row in rows}
    assert (run / "report.html").stat().st_size > 10_000
