"""Wrong values in the recipes of every method: the message names where, what came and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiossl.errors import ConfigError
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.recipe import read_recipe

METHODS = {"spear": SpearRecipe, "sensors": SensorsRecipe, "connectivity": ConnectivityRecipe}
SENSORS = "method: sensors\ndataset: toy\n"
SPEAR = "method: spear\ndataset: toy\n"
BOLD = "method: connectivity\ndataset: toy\nmodels: {fc: {kind: raw_fc}}\n"


def refusal(folder: Path, text: str, *overrides: str) -> str:
    """What `read_recipe` says to a recipe, without the file that it names first."""
    path = folder / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_recipe(path, overrides, METHODS)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


VARIANTS = "expected one of 'none', 'conv', 'linear', 'mlp', 'random', 'real'"
IN_FILES = {
    "models: {a: {kind: simclr}, b: {kind: simclr, lr: fast}}": "models.b.lr: expected a number or null, got 'fast'",
    "models: {a: {kind: simclr, mappers: [real, nome]}}": f"models.a.mappers[1]: {VARIANTS}, got 'nome' (did you mean none?)",
    "models: {a: {kind: byol, batches: {crop: 3}}}": "models.a.batches.crop: expected one of the keys "
    "size, subjects, neighbours, bag, crops, matches, got 'crop' (did you mean crops?)",
    "models: {a: {lr: 1}}": "models.a: expected the keys that are required: kind, got only lr",
    "models: [a, b]": "models: expected a mapping, got ['a', 'b']",
    "seeds: [1, two]\nmodels: {a: {kind: simclr}}": "seeds[1]: expected a whole number, got 'two'",
}


@pytest.mark.parametrize("text", IN_FILES)
def test_values_in_files(tmp_path, text):
    assert refusal(tmp_path, SENSORS + text) == IN_FILES[text]


def test_the_model_of_a_wrong_kind_is_named(tmp_path):
    said = refusal(tmp_path, f"{SENSORS}models: {{a: {{kind: simclr}}, random: {{kind: randomm}}}}")
    assert said.startswith("models.random.kind: expected one of 'frame_projection', 'simclr', ")
    assert said.endswith("'encoder', or my_module:MyClass, got 'randomm' (did you mean random?)")


def test_the_entry_of_a_list_is_named(tmp_path):
    said = refusal(tmp_path, f"{SPEAR}evaluation: {{tasks: [{{name: word, kind: clips}}, {{name: who, kind: clip}}]}}")
    kinds = "one of 'frames', 'segments', 'clips', 'attentive_segments', 'attentive_clips', 'folded_clips', or my_module:MyClass"
    assert said == f"evaluation.tasks[1].kind: expected {kinds}, got 'clip' (did you mean clips?)"
    said = refusal(tmp_path, f"{SPEAR}evaluation: {{tasks: [{{name: word, kind: clips}}, {{name: who, knd: clips}}]}}")
    assert (
        said == "evaluation.tasks[1].knd: expected one of the keys name, kind, folds, attentive, got 'knd' (did you mean kind?)"
    )
    said = refusal(tmp_path, f"{BOLD}phenotypes: [{{label: age}}, {{label: sex, options: {{by_site: 3}}}}]")
    assert said == "phenotypes[1].options.by_site: expected true or false, got 3"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.max_steps=abc", "training.max_steps: expected a whole number or null, got 'abc'"),
        ("training.max_steps=1e5", "training.max_steps: expected a whole number or null, got '1e5'"),
        ("streams.speech.teacher.layer=top", "streams.speech.teacher.layer: expected a whole number or null, got 'top'"),
        ("data.repeats={audio: twice}", "data.repeats.audio: expected a number, got 'twice'"),
        ("training.lr=", "training.lr: expected a number, got null"),
    ],
)
def test_values_on_the_command_line(tmp_path, override, message):
    assert refusal(tmp_path, SPEAR, "seed=3", override) == message


@pytest.mark.parametrize("value", ["null", "3"])
def test_a_value_where_keys_belong(tmp_path, value):
    said = refusal(tmp_path, f"{SPEAR}training: {value}")
    assert said.startswith("training: expected a mapping of optimiser, lr, ") and said.endswith(f", got {value}")


def test_an_unknown_key_comes_with_those_that_there_are(tmp_path):
    said = refusal(tmp_path, BOLD, "pretrain.parts=all")
    assert said == "pretrain.parts: expected one of the keys part, subjects, crop, got 'parts' (did you mean part?)"


def test_what_is_safely_converted_is_no_fault(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(f"{SPEAR}limit: '3'\ntraining: {{lr: 1e-3, tensorboard: 'true'}}\ndata_root: {tmp_path}\n", encoding="utf-8")
    config = read_recipe(
        path, ["dataset=3", "training.warmup_steps=2", "output=null", "evaluation.tasks+={name: a, kind: clips}"], METHODS
    )
    assert (config.dataset, config.limit, config.output, config.data_root) == ("3", 3, None, tmp_path)
    assert (config.training.lr, config.training.warmup_steps, config.training.tensorboard) == (1e-3, 2, True)
    assert [task.name for task in config.evaluation.tasks] == ["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("3", 3), ("true", True), ("[[time, frequency]]", [["time", "frequency"]]), ("a b=c", "a b=c")],
)
def test_an_option_of_any_type_is_read_as_yaml_has_it(tmp_path, text, value):
    """As text, `true` and `3` would be other options, and another fingerprint, than the same words in the file."""
    path = tmp_path / "toy.yaml"
    path.write_text(f"{SENSORS}models: {{a: {{kind: simclr, options: {{temperature: 0.1}}}}}}", encoding="utf-8")
    config = read_recipe(path, [f"models.a.options.x={text}", "models.a.dim=8", "dataset=3"], METHODS)
    assert config.models["a"].options == {"temperature": 0.1, "x": value} and config.models["a"].dim == 8
    path.write_text(SPEAR, encoding="utf-8")
    config = read_recipe(path, [f"student.overrides.x={text}", f"quantiser.options.x={text}", "dataset=3"], METHODS)
    assert config.student.overrides == config.quantiser.options == {"x": value} and config.dataset == "3"
