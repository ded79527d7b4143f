"""`audiossl evaluate`, an encoder on sensors, fMRI, HEAR, SUPERB or MTEB, and `audiossl check`: parsed here, done in `verbs/`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiossl.errors import ConfigError
from audiossl.verbs.devices import load_on

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["add_check", "add_evaluate", "load_on", "parse_layers", "parse_numbers"]


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of evaluation to the command's parser."""
    kinds = parser.add_subparsers(required=True, metavar="sensors|fmri|hear|superb|mteb")
    sensors = kinds.add_parser(
        "sensors", help="on the windows and held-out people of a sensor recipe", description=evaluate_sensors.__doc__
    )
    sensors.add_argument("model", help="folder of an encoder that a sensor run saved, or any other that `audiossl.load` takes")
    sensors.add_argument(
        "tasks", metavar="recipe", type=Path, help="YAML file of method sensors, for instance recipes/hapt/frame_projection.yaml"
    )
    sensors.add_argument("overrides", nargs="*", metavar="key=value", help="for instance seeds=[1,2,3]")
    sensors.add_argument(
        "--convert-units", action="store_true", help="bring units and the order of channels to those that the encoder takes"
    )
    sensors.set_defaults(command=evaluate_sensors)
    fmri = kinds.add_parser("fmri", help="on the tasks of a connectivity recipe", description=evaluate_fmri.__doc__)
    fmri.add_argument("model", help="folder of an encoder that a connectivity run saved, or of a run with one")
    fmri.add_argument(
        "tasks", metavar="recipe", type=Path, help="YAML file, for instance recipes/cubnm_hcp/connectivity_mae.yaml"
    )
    fmri.add_argument("overrides", nargs="*", metavar="key=value", help="for instance fingerprint.volumes=60")
    fmri.set_defaults(command=evaluate_fmri)
    for kind in (sensors, fmri):
        kind.add_argument("--out", type=Path, help="folder of the run (default runs/evaluate_FOLDER of the recipe)")
    hear = kinds.add_parser("hear", help="on HEAR 2021 task folders, by the kit's protocol", description=evaluate_hear.__doc__)
    _add_benchmark(hear, "recipes/hear", "task folder")
    hear.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4, laid side by side")
    hear.add_argument("--pooling", choices=["mean", "mean+max"], default="mean", help="pooling of scene embeddings over time")
    hear.add_argument("--grid", choices=["default", "fast", "faster"], default="default", help="grid of the kit's predictors")
    hear.add_argument(
        "--grid-points", type=int, default=8, metavar="N", help="number of points of the grid that are tried (default 8)"
    )
    hear.set_defaults(command=evaluate_hear)
    superb = kinds.add_parser("superb", help="on SUPERB task folders, with its heads", description=evaluate_superb.__doc__)
    _add_benchmark(superb, "recipes/superb", "task folder, or an abbreviation such as SID")
    superb.add_argument(
        "--lr", nargs="+", default=[], metavar="RATE", help="choose from these by validation, or `search` for ten-fold steps"
    )
    superb.add_argument(
        "--updates", type=int, help="number of updates of each head; by default the folder's, or the published ones"
    )
    superb.add_argument("--normalise", action="store_true", help="layer norm of each layer before the weighted sum")
    superb.add_argument("--layer", type=int, help="take this layer instead of the weighted sum")
    superb.add_argument("--layer-sweep", action="store_true", help="each layer by itself as well, with a picture")
    superb.add_argument("--seed", type=int, default=0, help="seed of the heads")
    superb.set_defaults(command=evaluate_superb)
    mteb = kinds.add_parser("mteb", help="on audio tasks of MTEB (MAEB), by its own code", description=evaluate_mteb.__doc__)
    mteb.add_argument("model", help="anything that `audiossl.load` takes")
    mteb.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK",
        help="names of tasks and benchmarks, such as BeijingOpera, or FILE.py with tasks (default a stand-in that needs no data)",
    )  # fmt: skip
    mteb.add_argument("--out", type=Path, help="folder that is written (default runs/mteb_MODEL); the same call resumes it")
    mteb.add_argument("--name", help="name of the model in the results (default: MODEL)")
    mteb.add_argument("--device", default="cpu", help="device of the model: cpu, cuda, cuda:1")
    mteb.add_argument("--kit", action="store_true", help="run MTEB in its own environment, see docs/kits.md")
    mteb.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4, laid side by side")
    mteb.add_argument("--pooling", choices=["mean", "mean+max"], default="mean", help="pooling of clips over time")
    mteb.add_argument("--batch-size", type=int, default=32, metavar="N", help="number of clips in a batch (default 32)")
    mteb.set_defaults(command=evaluate_mteb)


def _add_benchmark(parser: argparse.ArgumentParser, recipe: str, unit: str) -> None:
    parser.add_argument("model", nargs="?", help="anything that `audiossl.load` takes")
    parser.add_argument("tasks", nargs="?", type=Path, help=f"folder of tasks (default {recipe}: stand-ins)")
    parser.add_argument(
        "--out", type=Path, help="folder that is written (default runs/BENCHMARK_MODEL); the same call resumes it"
    )
    parser.add_argument("--task", nargs="+", default=[], metavar="NAME", help=f"of a {unit}; all by default")
    parser.add_argument("--name", help="name of the model in the results (default: MODEL)")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="corpora that were fetched by hand, for the recipe")
    parser.add_argument("--device", default="cpu", help="device of what is trained: cpu, cuda, cuda:1")
    parser.add_argument("--kit", action="store_true", help="run the original kit in its own environment, see docs/kits.md")
    parser.add_argument("--list", action="store_true", help="say what each official task needs, and end")


def evaluate_sensors(options: argparse.Namespace) -> int:
    """Probe a frozen encoder on a sensor recipe's task, next to hand-made statistics and an untrained network."""
    from audiossl.verbs.evaluate import evaluate

    given = {"output": options.out, "convert_units": options.convert_units}
    evaluate(options.model, "sensors", options.tasks, options.overrides, **given)
    return 0


def evaluate_fmri(options: argparse.Namespace) -> int:
    """Score a frozen graph encoder on a connectivity recipe's tasks, next to correlations and an untrained network."""
    from audiossl.verbs.evaluate import evaluate

    evaluate(options.model, "fmri", options.tasks, options.overrides, output=options.out)
    return 0


def evaluate_hear(options: argparse.Namespace) -> int:
    """Evaluate an encoder on HEAR tasks; with a recipe such as recipes/hear its packaged stand-ins are made first.

    `audiossl evaluate hear runs/asterisk recipes/hear --out runs/hear_student`
    """
    from audiossl.evaluation.hear.official import official_table

    return _benchmark(
        "hear", options, official_table, {"layers": parse_layers(options.layers)}, ("pooling", "grid", "grid_points")
    )


def evaluate_superb(options: argparse.Namespace) -> int:
    """Evaluate an encoder on SUPERB tasks; with a recipe such as recipes/superb its packaged stand-ins are made first.

    `audiossl evaluate superb runs/asterisk recipes/superb --out runs/superb_student --task SID --lr search`
    """
    from audiossl.evaluation.superb.catalogue import official_table

    rates = "search" if options.lr == ["search"] else _rates(options.lr)
    same = ("updates", "normalise", "layer", "layer_sweep", "seed")
    return _benchmark("superb", options, official_table, {"lr": rates}, same)


def evaluate_mteb(options: argparse.Namespace) -> int:
    """Evaluate an encoder on audio tasks of MTEB; without tasks on a stand-in that needs no download.

    `audiossl evaluate mteb runs/asterisk --tasks BeijingOpera ESC50 --out runs/mteb_student`
    """
    from audiossl.evaluation.results import print_results
    from audiossl.verbs.evaluate import evaluate

    given = {key: getattr(options, key) for key in ("name", "device", "kit", "pooling", "batch_size")}
    layers = parse_layers(options.layers)
    print_results(evaluate(options.model, "mteb", tuple(options.tasks), output=options.out, layers=layers, **given))
    return 0


def _benchmark(
    name: str, options: argparse.Namespace, table: Callable[[], Table], parsed: dict[str, object], same: tuple[str, ...]
) -> int:
    """List the official tasks, or evaluate and print: `parsed` options, and those that are what was typed."""
    from audiossl.console import print_table
    from audiossl.evaluation.results import print_results
    from audiossl.verbs.evaluate import evaluate

    if options.list:
        print_table(table())
        return 0
    if not options.model:
        raise ConfigError("expected MODEL, for instance: logmel --out runs/logmel; --list says what there is")
    given = {key: getattr(options, key) for key in ("name", "data_root", "device", "kit", *same)} | parsed
    print_results(evaluate(options.model, name, options.tasks, (), output=options.out, task=tuple(options.task), **given))
    return 0


def _rates(texts: list[str]) -> tuple[float, ...]:
    try:
        return tuple(map(float, texts))
    except ValueError:
        raise ConfigError(f"expected --lr search, or numbers such as 1e-3, got '{' '.join(texts)}'") from None


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audiossl check`."""
    parser.add_argument("model", help="anything that `audiossl.load` takes, such as myenc.py:MyEncoder")
    parser.add_argument("--quick", action="store_true", help="a long file of 40 s instead of 10 minutes, fewer repetitions")
    parser.add_argument(
        "--as-published", action="store_true", help="run a hf: model in padded batches, as its documentation does"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to this file as well")
    parser.set_defaults(command=check_model)


def check_model(options: argparse.Namespace) -> int:
    """Check an encoder: frame counts, padding, repetition, unusual signals, drift, copies, memory; exit code 1 if one fails."""
    from rich.table import Table

    from audiossl.console import print_table
    from audiossl.evaluation.encoder_check import has_failed
    from audiossl.verbs.check import check

    findings = check(options.model, quick=options.quick, as_published=options.as_published, json=options.json)
    table = Table("check", "", "found", "advice", title=options.model)
    for finding in findings:
        colour = {"pass": "green", "warn": "yellow", "fail": "red"}[finding.status]
        table.add_row(finding.check, f"[{colour}]{finding.status}[/{colour}]", finding.found, finding.advice)
    print_table(table)
    return int(has_failed(findings))


def parse_layers(text: str) -> Literal["last", "all"] | list[int]:
    """Read `--layers`.

    Raises:
        ConfigError: if it is neither last, all nor numbers.
    """
    if text == "last" or text == "all":
        return text
    return parse_numbers(text, ",", "--layers last, all or 2,4")


def parse_numbers(text: str, separator: str, expected: str) -> list[int]:
    """Read whole numbers.

    Raises:
        ConfigError: if one is none; the message says what was expected.
    """
    try:
        return [int(part) for part in text.split(separator)]
    except ValueError:
        raise ConfigError(f"expected {expected}, got '{text}'") from None
