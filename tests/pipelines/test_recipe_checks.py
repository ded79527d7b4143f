"""What is refused before anything is trained, for sensor, BOLD and fine-tuning recipes: labels, options, keys and devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError
from audiossl.files import write_json, write_jsonl
from audiossl.pipelines.catalogue import METHODS, run_pipeline
from audiossl.pipelines.connectivity.checks import check_labels as check_phenotypes
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, FingerprintConfig, GraphModel, PhenotypeTask
from audiossl.pipelines.finetune.labels import check_sides
from audiossl.pipelines.finetune.tagging import check_tags
from audiossl.pipelines.sensors.checks import check_labels
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig, WindowTaskConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.pipelines.sides import SplitConfig, divide
from audiossl.recipe import plain, read_recipe
from audiossl.signals.bold.run import bold_run
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.signals.sensors.recording import Annotation, SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet, write_recordings
from audiossl.signals.sensors.windows import WindowConfig

PEOPLE = [f"p{number}" for number in range(6)]


def walks(folder: Path, label, name: str = "activity") -> Path:
    """Twelve seconds of one axis at 25 Hz of six people, with the label that a function of person and half gives."""
    rng = np.random.default_rng(0)

    def recording(number: int) -> SensorRecording:
        marks = tuple(Annotation(6.0 * half, 6.0 * half + 6.0, label(number, half)) for half in (0, 1))
        values = rng.normal(size=(1, 300)).astype(np.float32)
        return SensorRecording(PEOPLE[number], PEOPLE[number], 25.0, ("x",), ("g",), values, {name: marks})

    write_recordings((recording(number) for number in range(6)), folder)
    return folder


def folds(folder: Path, test=("p4", "p5"), **task) -> SensorFolds:
    subjects = SubjectConfig(list(test), valid=1) if test else SubjectConfig(folds=3, valid=1)
    models = {"statistics": SensorModel("statistics")}
    recipe = SensorsRecipe("toy", models, windows=WindowConfig(2.0, 1.0), subjects=subjects, task=WindowTaskConfig(**task))
    return SensorFolds(folder, FoldsConfig.of(recipe))


def test_good_labels_of_sensors(tmp_path):
    check_labels(folds(walks(tmp_path / "a", lambda person, half: "ab"[half])))
    check_labels(folds(walks(tmp_path / "b", lambda person, half: 60.0 + person + half), test=()))


BAD_LABELS = {
    "one class": ({}, lambda person, half: "walk", "task 'activity': every label is 'walk'"),
    "one number": ({}, lambda person, half: 60.0, r"task 'activity': every label is 60\.0"),
    "one class in training": ({}, lambda person, half: "ab"[person > 3 and half], "label of the train subjects is 'a', fold 0"),
    "a slip in the name": ({"name": "activty"}, lambda person, half: "ab"[half], r"'activty' \(did you mean activity\?\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_of_sensors(tmp_path, case):
    task, label, said = BAD_LABELS[case]
    with pytest.raises(DataError, match=said):
        check_labels(folds(walks(tmp_path / "set", label), **task))


def test_windows_longer_than_annotations(tmp_path):
    made = folds(walks(tmp_path / "set", lambda person, half: "ab"[half]))
    longer = replace(made.config, windows=WindowConfig(8.0, 8.0))
    with pytest.raises(DataError, match=r"no window of 8 s lies within one annotation. Shorten windows\.seconds"):
        check_labels(SensorFolds(tmp_path / "set", longer))


@settings(max_examples=15)
@given(labels=st.lists(st.sampled_from("ab"), min_size=12, max_size=12))
def test_a_side_of_one_class_is_refused_in_any_fold(tmp_path_factory, labels):
    made = folds(walks(tmp_path_factory.mktemp("walks") / "set", lambda person, half: labels[2 * person + half]), test=())
    classes = [{labels[2 * PEOPLE.index(name) + half] for name in sides.train for half in (0, 1)} for sides in made.sides]
    try:
        check_labels(made)
        refused = False
    except DataError:
        refused = True
    assert refused == any(len(found) < 2 for found in classes)


SENSOR_PREPARE = "def recordings(data_root, limit):\n    raise AssertionError('nothing is to run')\n"
CORPUS_PREPARE = "def prepare_corpus(*_):\n    raise AssertionError('nothing is to run')\n\n\ndef prepare_labels(*_): ...\n"
TOYS = {
    "spear": ("method: spear\ndataset: toy\n", CORPUS_PREPARE),
    "finetune": ("method: finetune\ndataset: toy\ntask: ctc\nencoder: logmel\n", CORPUS_PREPARE),
    "sensors": ("method: sensors\ndataset: toy\nmodels: {a: {kind: simclr}}\n", SENSOR_PREPARE),
    "connectivity": ("method: connectivity\ndataset: toy\nmodels: {a: {kind: graph_infomax}}\n", SENSOR_PREPARE),
    "semi": ("method: semi\ndataset: toy\nmodels: {a: {kind: simclr}}\nmethods: {b: {kind: fixmatch}}\n", SENSOR_PREPARE),
}


def toy(folder: Path, method: str) -> Path:
    text, prepare = TOYS[method]
    (folder / "prepare.py").write_text(prepare)
    (folder / "toy.yaml").write_text(text)
    return folder / "toy.yaml"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("device", ["cuda:77", "nonsense", "meta"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_device_that_is_not_there(tmp_path, method, device, dry_run):
    with pytest.raises(ConfigError, match=rf"training\.device is '?{device}'?, .*Use auto"):
        run_pipeline(toy(tmp_path, method), [f"output={tmp_path / 'out'}", f"training.device={device}"], dry_run=dry_run)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_data_root_that_is_not_there(tmp_path, method, dry_run):
    with pytest.raises(ConfigError, match=r"reads .*mine, which does not exist\. Correct it"):
        run_pipeline(toy(tmp_path, method), [f"output={tmp_path / 'out'}", f"data_root={tmp_path / 'mine'}"], dry_run=dry_run)
    assert not (tmp_path / "out" / "corpus").exists() and not (tmp_path / "out" / "recordings").exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_that_leaves_nothing(tmp_path, method, limit):
    with pytest.raises(ConfigError, match=f"limit should be at least 1, or null for all, got {limit}"):
        run_pipeline(toy(tmp_path, method), [f"output={tmp_path / 'out'}", f"limit={limit}"])
    assert not (tmp_path / "out").exists()


REFUSED = {
    ("spear", "evaluation.tasks=[{name: who, kind: clips}, {name: who, kind: frames}]"): r"tasks: two are named 'who'",
    ("spear", "evaluation.tasks=[{name: ../who, kind: clips}]"): r"tasks: expected names that files can have.*got '\.\./who'",
    ("sensors", "models={a/b: {kind: random}}"): r"models: expected names that files can have.*got 'a/b'",
    ("connectivity", "models={.a: {kind: random}}"): r"models: expected names that files can have.*got '\.a'",
    ("sensors", "models={a: {kind: statistics, options: {bins: 3}}}"): r"models\.a\.options: statistics has no options, got bins",
    ("sensors", "models={a: {kind: random, finetune: true}}"): r"models\.a\.finetune: .*which random is not",
    (
        "sensors",
        "models={a: {kind: encoder, options: {folder: x}}}",
    ): r"models\.a\.options\.folder: expected one of",
    ("connectivity", "models={a: {kind: raw_fc, options: {bins: 3}}}"): r"models\.a\.options: raw_fc has no options, got bins",
    ("connectivity", "models={a: {kind: encoder, options: {name: x}}}"): r"models\.a\.options\.name: expected one of",
    ("connectivity", "fingerprint.draws=0"): "draws of at least 1",
    ("connectivity", "batch_runs=0"): "batch_runs should be at least 1",
    ("connectivity", "phenotypes=[{label: age, options: {folds: 1}}]"): r"options\.folds should be at least 2, got 1",
    ("connectivity", "phenotypes=[{label: age, options: {repeats: 0}}]"): r"options\.repeats should be at least 1, got 0",
    ("connectivity", "phenotypes=[{label: age, confounds: [age]}]"): "age is among its own confounds",
    ("connectivity", "pretrain.crop=5"): r"pretrain\.crop=5 is less than the [0-9]+ volumes of a window of models\.a",
    ("sensors", "task.fractions=[1.0, 10.0]"): r"task\.fractions: expected shares above 0 and at most 1",
    ("sensors", "encoder.width=0"): "an even width",
    ("finetune", "training.num_threads=0"): r"training\.num_threads should be above 0",
}


@pytest.mark.parametrize(("method", "typed"), REFUSED)
def test_what_nobody_can_mean(tmp_path, method, typed):
    with pytest.raises(ConfigError, match=REFUSED[method, typed]):
        run_pipeline(toy(tmp_path, method), [f"output={tmp_path / 'out'}", typed])
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_is_nowhere_is_refused_before_other_rows(tmp_path):
    models = {"first": SensorModel("simclr"), "own": SensorModel("encoder", {"name": str(tmp_path / "nowhere")})}
    recording = next(iter(RecordingSet(walks(tmp_path / "set", lambda person, half: "ab"[half]))))
    with pytest.raises(ConfigError, match=r"models\.own: there is no '.*nowhere'; expected a folder"):
        make_rows(SensorsRecipe("toy", models))["own"].check_recording(recording)
    hub = SensorsRecipe("toy", {"own": SensorModel("encoder", {"name": "owner/of_a_hub"})})
    make_rows(hub)["own"].check_recording(recording)
    graphs = {"first": GraphModel("raw_fc"), "own": GraphModel("encoder", {"folder": str(tmp_path / "nowhere")})}
    recipe = ConnectivityRecipe("toy", graphs, fingerprint=FingerprintConfig(volumes=10, draws=2))
    with pytest.raises(ConfigError, match=r"models\.own: there is no .*nowhere"):
        check_phenotypes(rests(tmp_path / "rests", lambda number: {}), recipe)


def test_networks_that_no_run_says_are_missed_before_training(tmp_path):
    recipe = ConnectivityRecipe("toy", {"a": GraphModel("raw_fc")}, fingerprint=FingerprintConfig(volumes=0), networks=True)
    with pytest.raises(DataError, match="p0_1 does not say the network of each of its 4 regions"):
        check_phenotypes(rests(tmp_path / "none", lambda number: {}), recipe)
    check_phenotypes(rests(tmp_path / "all", lambda number: {"networks": "vis|vis|dmn|dmn"}), recipe)


MEANT = {
    ("spear", "traning.max_steps=3"): r"did you mean training\?",
    ("spear", "max_steps=3"): r"did you mean training\.max_steps\?",
    ("spear", "student.overrides={encoder_dims: [8]}"): r"did you mean encoder_dim\?",
    ("spear", "quantiser.options={step: 3}"): r"did you mean steps\?",
    ("finetune", "ctc.freeze_step=3"): r"did you mean freeze_steps\?",
    ("sensors", "models={a: {kind: simclr, mapers: [mlp]}}"): r"models\.a\.mapers.*did you mean mappers\?",
    ("sensors", "models={a: {kind: simclr, options: {temprature: 1.0}}}"): r"models\.a.*did you mean temperature\?",
    ("connectivity", "phenotypes=[{lable: age}]"): r"phenotypes\[0\]\.lable.*did you mean label\?",
    (
        "connectivity",
        "models={a: {kind: graph_infomax, encoder: {windw: 3}}}",
    ): r"models\.a\.encoder\.windw.*did you mean window\?",
}


@pytest.mark.parametrize(("method", "typed"), MEANT)
def test_the_nearest_key_is_named(tmp_path, method, typed):
    with pytest.raises(ConfigError, match=MEANT[method, typed]):
        run_pipeline(toy(tmp_path, method), [f"output={tmp_path / 'out'}", typed], dry_run=True)


def test_a_stage_that_was_meant(tmp_path):
    with pytest.raises(ConfigError, match=r"no stage 'pretrian' \(did you mean pretrain\?\); its stages are"):
        run_pipeline(toy(tmp_path, "spear"), [f"output={tmp_path / 'out'}"], first="pretrian")


@pytest.mark.parametrize(
    ("shares", "helps"),
    [
        ({"train": 0.9}, r"Try split\.train=0\.72"),
        ({"valid": 0.3}, r"Try split\.train=0\.5"),
        ({"train": 0.0, "valid": 0.5, "test": 0.5}, r"Try split\.train=0\.72 split\.valid=0\.08 split\.test=0\.2"),
        ({"test": -0.2, "train": 1.12}, "Try split.train=0.92"),
    ],
)
def test_shares_that_are_none_are_refused_with_some_that_are(shares, helps):
    with pytest.raises(ConfigError, match=helps):
        SplitConfig(**shares)
    assert SplitConfig(given="side", **shares).given == "side", "which needs no shares"
    words = helps.removeprefix("Try ").replace("\\", "").split()
    mended = {word.partition("=")[0].removeprefix("split."): float(word.partition("=")[2]) for word in words}
    if shares.get("test", 0) >= 0:
        SplitConfig(**{**shares, **mended})


def test_sides_that_no_recording_names(tmp_path):
    items = [CorpusItem(str(n), tmp_path / "x", 0.0, 1.0, 16000, str(n), custom={"side": "Train"}) for n in range(3)]
    with pytest.raises(
        DataError, match=r"no recording says train or valid in that field; they say Train \(3\).*split\.given=null"
    ):
        divide(items, SplitConfig(given="side"), seed=1)


def rests(folder: Path, about) -> Path:
    rng = np.random.default_rng(0)
    runs = [
        bold_run(f"{name}_1", name, rng.standard_normal((4, 60)), 2.0, list("wxyz"), about={"session": "1", **about(number)})
        for number, name in enumerate(PEOPLE)
    ]
    write_recordings(runs, folder, one_rate=False)
    return folder


@pytest.mark.parametrize(
    ("about", "task", "said"),
    [
        (lambda n: {"group": "a"}, PhenotypeTask("group"), "the group of all 6 people is 'a': there is nothing to distinguish"),
        (lambda n: {"age": 20.0}, PhenotypeTask("age", kind="quantity"), r"the age of all 6 people is 20\.0"),
        (lambda n: {"age": 20.0 + n}, PhenotypeTask("agee"), "no run says its 'agee'"),
        (lambda n: {"group": "ab"[n == 0]}, PhenotypeTask("group"), "expected two classes or more"),
    ],
)
def test_phenotypes_that_tell_nothing(tmp_path, about, task, said):
    config = ConnectivityRecipe("toy", {"fc": GraphModel("raw_fc")}, fingerprint=FingerprintConfig(volumes=0), phenotypes=[task])
    with pytest.raises(DataError, match=said):
        check_phenotypes(rests(tmp_path / "set", about), config)


# --- fine-tuning


@pytest.fixture
def corpus(tmp_path):
    return Corpus([CorpusItem(f"utt_{n}", tmp_path / "x", 0.0, 1.0, 16000, str(n)) for n in range(4)], 16_000, None, tmp_path)


GOOD_TAGS = [{"id": f"utt_{n}", "tags": ["Speech", "Music"][: n % 2 + 1]} for n in range(4)]
BAD_TAGS = {
    "an id with a slip": ([*GOOD_TAGS[1:], {"id": "utt_0.flac", "tags": []}], r"row 4 is of 'utt_0\.flac' \(did you mean utt_0"),
    "a tag with a slip": ([{"id": "utt_1", "tags": ["Speach"]}], r"row 1, 'utt_1', has the tag 'Speach' \(did you mean Sp"),
    "another column": ([{"id": "utt_1", "tag": ["Speech"]}], "row 1: expected rows such as .*\"tags\""),
    "no list": ([{"id": "utt_1", "tags": "Speech"}], "row 1: expected rows such as"),
    "twice": ([*GOOD_TAGS, GOOD_TAGS[0]], "'utt_0' has several rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TAGS)
def test_bad_tags(tmp_path, corpus, case):
    rows, said = BAD_TAGS[case]
    write_json(tmp_path / "classes.json", ["Speech", "Music"])
    write_jsonl(tmp_path / "labels.jsonl", rows)
    with pytest.raises(DataError, match=rf"labels\.jsonl.*{said}"):
        check_tags(tmp_path, corpus, "prepare.py")


@pytest.mark.parametrize("classes", [["Speech"], [], ["Speech", "Speech"], {"Speech": 1}])
def test_classes_that_tell_nothing(tmp_path, corpus, classes):
    write_json(tmp_path / "classes.json", classes)
    write_jsonl(tmp_path / "labels.jsonl", GOOD_TAGS)
    with pytest.raises(DataError, match=r"classes\.json: expected the names of at least two tags"):
        check_tags(tmp_path, corpus, "prepare.py")


def test_sides_of_tags(tmp_path, corpus):
    write_json(tmp_path / "classes.json", ["Speech", "Music"])
    write_jsonl(tmp_path / "labels.jsonl", GOOD_TAGS)
    check_tags(tmp_path, corpus, "prepare.py")
    check_sides(tmp_path, {"train": ["utt_0", "utt_1"], "valid": [], "test": ["utt_2"]}, "tagging")
    with pytest.raises(DataError, match="none of the 1 items of the test side has labels that the task tagging can use"):
        check_sides(tmp_path, {"train": ["utt_0", "utt_1"], "valid": [], "test": ["utt_9"]}, "tagging")
    with pytest.raises(DataError, match="all 2 items of the train side have the same label"):
        check_sides(tmp_path, {"train": ["utt_0", "utt_2"], "valid": [], "test": ["utt_1"]}, "tagging")


def test_every_method_lays_out_its_stages_with_names_for_what_decides_them(tmp_path):
    """A name for each entry of a config that is a list, or messages could not say what has changed."""
    for method in METHODS:
        config = read_recipe(toy(tmp_path, method), [f"data_root={tmp_path}"], {method: METHODS[method][0]})
        for stage in METHODS[method][1](config, tmp_path):
            if isinstance(said := plain(stage.config), list):
                assert len(stage.entries) == len(said), (method, stage.name)
            assert bool(stage.data) == (stage.name in ("corpus", "labels", "recordings"))
