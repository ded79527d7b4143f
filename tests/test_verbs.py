"""Every verb exists twice, as a command and as a function, with the same names and defaults."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import audiossl
from audiossl.cli import _parser
from audiossl.verbs.evaluate_hear import HearOptions
from audiossl.verbs.evaluate_mteb import MtebOptions
from audiossl.verbs.evaluate_recipe import evaluate_sensors
from audiossl.verbs.evaluate_superb import SuperbOptions

VERBS: dict[str, str] = {
    "run": "run",
    "finetune": "finetune",
    "embed": "embed",
    "tokenise": "tokenise",
    "search": "search",
    "check": "check",
    "evaluate superb": "evaluate",
    "evaluate hear": "evaluate",
    "evaluate mteb": "evaluate",
    "evaluate sensors": "evaluate",
    "evaluate fmri": "evaluate",
    "compare": "compare",
    "export": "export",
    "models": "list_models",
    "recipes": "list_recipes",
    "recipes copy": "copy_recipe",
    "probe": "probe",
    "publish": "publish",
}
NO_VERBS = {
    "tokens fit": "a half of tokenise",
    "tokens encode": "a half of tokenise",
    "tokens report": "measures what tokenise made",
    "kits make": "builds environments, which is nothing to do from Python",
}
# What the function takes beyond its own arguments: the options of a benchmark.
MORE: dict[str, Mapping[str, object]] = {
    "evaluate superb": {item.name: item.default for item in dataclasses.fields(SuperbOptions)},
    "evaluate hear": {item.name: item.default for item in dataclasses.fields(HearOptions)},
    "evaluate mteb": {item.name: item.default for item in dataclasses.fields(MtebOptions)},
    "evaluate sensors": {
        name: one.default for name, one in inspect.signature(evaluate_sensors).parameters.items() if one.kind is one.KEYWORD_ONLY
    },
}
ONLY_COMMAND = {
    ("run", "keys"): "prints the keys of the recipe",
    ("search", "json"): "prints JSON in place of a table",
    ("evaluate superb", "list"): "prints what official tasks need",
    ("evaluate hear", "list"): "prints what official tasks need",
    ("export", "layers"): "a spelling of the option of four exports: layers=... works as well",
    ("export", "pooling"): "a spelling of the option of two exports: pooling=... works as well",
}
ONLY_FUNCTION = {
    **{(f"evaluate {name}", "benchmark"): "the word after evaluate" for name in ("superb", "hear", "mteb", "sensors", "fmri")},
    ("evaluate superb", "overrides"): "for recipes; refused here",
    ("evaluate hear", "overrides"): "for recipes; refused here",
    ("evaluate mteb", "overrides"): "for recipes; refused here",
}
OTHER_DEFAULT = {
    ("finetune", "encoder"): "left out, where the function takes None",
    ("evaluate superb", "model"): "--list needs none",
    ("evaluate hear", "model"): "--list needs none",
    ("evaluate sensors", "tasks"): "has a default for superb and hear alone",
    ("evaluate fmri", "tasks"): "has a default for superb and hear alone",
}
REQUIRED = "required"


def commands(parser: argparse.ArgumentParser | None = None, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be run, with its parser."""
    parser = parser or _parser()
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if parser.get_default("command") is not None:
        yield name, parser
    for word, inner in (item for action in below for item in action.choices.items()):
        yield from commands(inner, f"{name} {word}".strip())


def of_parser(parser: argparse.ArgumentParser) -> dict[str, object]:
    """Names and defaults of a command, `out` as `output`; nothing (None, no words) is None."""
    found: dict[str, object] = {}
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            required = action.required and action.nargs not in ("?", "*")
            found["output" if action.dest == "out" else action.dest] = REQUIRED if required else plain(action.default)
    return found


def of_function(function: Callable[..., object], more: Mapping[str, object]) -> dict[str, object]:
    named = {name: one for name, one in inspect.signature(function).parameters.items() if one.kind is not one.VAR_KEYWORD}
    own = {name: REQUIRED if one.default is one.empty else plain(one.default) for name, one in named.items()}
    return own | {name: plain(value) for name, value in more.items()}


def plain(value: object) -> object:
    """`--lr` without a word is [], its argument (): both None."""
    return None if value is None or value in ((), []) else value


def test_every_command_is_a_verb_or_said_to_be_none():
    found = {name for name, _ in commands()}
    assert found == VERBS.keys() | NO_VERBS.keys()
    stub = ast.parse(Path(audiossl.__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    lines = [line for line in stub if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("verbs.")]
    public = {alias.name for line in lines for alias in line.names if alias.name[0].islower()}
    assert public - {"wrap"} == set(VERBS.values()), "wrap takes an object, which no command can"


@pytest.mark.parametrize(("name", "parser"), [pytest.param(*item, id=item[0]) for item in commands() if item[0] in VERBS])
def test_names_and_defaults_are_those_of_the_function(name, parser):
    typed, function = of_parser(parser), of_function(getattr(audiossl, VERBS[name]), MORE.get(name, {}))
    for exceptions, keys in ((ONLY_COMMAND, typed.keys() - function.keys()), (ONLY_FUNCTION, function.keys() - typed.keys())):
        assert {key for command, key in exceptions if command == name} == keys
    both = typed.keys() & function.keys()
    assert {key for command, key in OTHER_DEFAULT if command == name} == {key for key in both if typed[key] != function[key]}
