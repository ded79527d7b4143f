"""`audiossl evaluate`: an encoder on sensors, fMRI, HEAR or SUPERB."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from audiossl.embedding.embedder import Embedder
    from audiossl.evaluation.results import ResultRow


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of evaluation to the command's parser."""
    kinds = parser.add_subparsers(required=True, metavar="sensors|fmri|hear|superb")
    sensors = kinds.add_parser(
        "sensors", help="on the windows and held-out people of a sensor recipe", description=evaluate_sensors.__doc__
    )
    sensors.add_argument("model", help="folder of an encoder that a sensor run saved, or any other that `audiossl.load` takes")
    sensors.add_argument("recipe", type=Path, help="YAML file of method sensors, for instance recipes/hapt/frame_projection.yaml")
    sensors.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR seeds=[1,2,3]")
    sensors.add_argument(
        "--convert-units", action="store_true", help="bring units and the order of channels to those that the encoder takes"
    )
    sensors.set_defaults(command=evaluate_sensors)
    fmri = kinds.add_parser("fmri", help="on the tasks of a connectivity recipe", description=evaluate_fmri.__doc__)
    fmri.add_argument("model", help="folder of an encoder that a connectivity run saved, or of a run with one")
    fmri.add_argument("recipe", type=Path, help="YAML file, for instance recipes/cubnm_hcp/connectivity_mae.yaml")
    fmri.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR")
    fmri.set_defaults(command=evaluate_fmri)
    hear = kinds.add_parser("hear", help="on HEAR 2021 task folders, by the kit's protocol", description=evaluate_hear.__doc__)
    _add_benchmark(hear, "recipes/hear", "task folder")
    hear.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4, laid side by side")
    hear.add_argument("--pooling", choices=["mean", "mean+max"], default="mean", help="of scene embeddings over time")
    hear.add_argument("--grid", choices=["default", "fast", "faster"], default="default", help="of the kit's predictors")
    hear.add_argument("--grid-points", type=int, default=8, metavar="N", help="of the grid that are tried (default 8)")
    hear.set_defaults(command=evaluate_hear)
    superb = kinds.add_parser("superb", help="on SUPERB task folders, with its heads", description=evaluate_superb.__doc__)
    _add_benchmark(superb, "recipes/superb", "task folder, or an abbreviation such as SID")
    superb.add_argument(
        "--lr", nargs="+", default=[], metavar="RATE", help="choose from these by validation, or `search` for ten-fold steps"
    )
    superb.add_argument("--updates", type=int, help="of each head; by default the folder's, or the published ones")
    superb.add_argument("--normalise", action="store_true", help="layer norm of each layer before the weighted sum")
    superb.add_argument("--layer", type=int, help="take this layer instead of the weighted sum")
    superb.add_argument("--layer-sweep", action="store_true", help="each layer by itself as well, with a picture")
    superb.add_argument("--seed", type=int, default=0, help="of the heads")
    superb.set_defaults(command=evaluate_superb)


def _add_benchmark(parser: argparse.ArgumentParser, recipe: str, unit: str) -> None:
    parser.add_argument("model", nargs="?", help="anything that `audiossl.load` takes")
    parser.add_argument(
        "tasks", nargs="?", type=Path, default=Path(recipe), help=f"folder of tasks (default {recipe}: stand-ins)"
    )
    parser.add_argument("--out", type=Path, help="folder that is written; the same call resumes it")
    parser.add_argument("--task", nargs="+", default=[], metavar="NAME", help=f"of a {unit}; all by default")
    parser.add_argument("--name", help="of the model in the results (default: MODEL)")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="corpora that were fetched by hand, for the recipe")
    parser.add_argument("--device", default="cpu", help="of what is trained: cpu, cuda, cuda:1")
    parser.add_argument("--kit", action="store_true", help="run the original kit in its own environment, see tools/kits")
    parser.add_argument("--list", action="store_true", help="say what each official task needs, and end")


def evaluate_sensors(options: argparse.Namespace) -> int:
    """Probe a frozen encoder on a sensor recipe's task, beside hand-made statistics and an untrained network."""
    convert = {"convert_units": True} if options.convert_units else {}
    encoder = {"kind": "encoder", "options": {"name": options.model, **convert}}
    return _run_with_models(
        options, "sensors", {"encoder": encoder, "statistics": {"kind": "statistics"}, "random": {"kind": "random"}}
    )


def evaluate_fmri(options: argparse.Namespace) -> int:
    """Score a frozen graph encoder on a connectivity recipe's tasks, beside correlations and an untrained network."""
    encoder = {"kind": "encoder", "options": {"folder": options.model}}
    return _run_with_models(
        options, "connectivity", {"encoder": encoder, "raw_fc": {"kind": "raw_fc"}, "random": {"kind": "random"}}
    )


def _run_with_models(options: argparse.Namespace, method: str, models: dict[str, dict[str, object]]) -> int:
    """Run a recipe of a method with other models than its own."""
    from audiossl.pipelines.catalogue import run_pipeline

    output = f"output=runs/evaluate_{options.recipe.parent.name}"
    run_pipeline(options.recipe, [output, *options.overrides, f"models={json.dumps(models)}"], only=method)
    return 0


def evaluate_hear(options: argparse.Namespace) -> int:
    """Evaluate an encoder on HEAR tasks; with a recipe such as recipes/hear its packaged stand-ins are made first.

    `audiossl evaluate hear runs/asterisk recipes/hear --out runs/hear_student`
    """
    from audiossl.console import print_table
    from audiossl.evaluation.hear.official import official_table
    from audiossl.evaluation.results import print_results
    from audiossl.locks import only_user

    if options.list:
        print_table(official_table())
        return 0
    with only_user(_output(options)):
        print_results(_hear_rows(options))
    return 0


def _hear_rows(options: argparse.Namespace) -> list[ResultRow]:
    from audiossl.evaluation.hear.evaluate import evaluate_hear as evaluate
    from audiossl.evaluation.hear.evaluate import rows_of_kit
    from audiossl.evaluation.results import write_results
    from audiossl.exporters.hear import HearModel, export_hear
    from audiossl.kits.runs import run_heareval
    from audiossl.pipelines.prepared_tasks import prepared_tasks

    out, layers, name = options.out, parse_layers(options.layers), options.name or options.model
    tasks = prepared_tasks(options.tasks, out, options.data_root)
    if not options.kit:
        model = HearModel.from_name(options.model, layers=layers, pooling=options.pooling)
        return evaluate(model, tasks, out, name, options.task, options.grid, options.grid_points, options.device)
    if len(options.task) > 1:
        raise ConfigError("--kit takes one --task, or none for all")
    module = export_hear(options.model, out / "audiossl_hear.py", layers, options.pooling)
    task = options.task[0] if options.task else "all"
    found = run_heareval(module, tasks, out / "kit", task, None, options.grid, options.grid_points)
    rows = rows_of_kit(found, tasks, f"{name} (heareval)")
    write_results(out / "results.json", rows)
    return rows


def evaluate_superb(options: argparse.Namespace) -> int:
    """Evaluate an encoder on SUPERB tasks; with a recipe such as recipes/superb its packaged stand-ins are made first.

    `audiossl evaluate superb runs/asterisk recipes/superb --out runs/superb_student --task SID --lr search`
    """
    from audiossl.console import print_table
    from audiossl.evaluation.results import print_results
    from audiossl.evaluation.superb.catalogue import official_table
    from audiossl.locks import only_user

    if options.list:
        print_table(official_table())
        return 0
    with only_user(_output(options)):
        print_results(_superb_rows(options))
    return 0


def _superb_rows(options: argparse.Namespace) -> list[ResultRow]:
    from audiossl.evaluation.results import write_results
    from audiossl.evaluation.superb.evaluate import SEARCH
    from audiossl.evaluation.superb.evaluate import evaluate_superb as evaluate
    from audiossl.evaluation.superb.training import ProbeOptions
    from audiossl.kits.superb_problems import evaluate_superb_by_kit
    from audiossl.pipelines.prepared_tasks import prepared_tasks

    out, name = options.out, options.name or options.model
    tasks = prepared_tasks(options.tasks, out, options.data_root)
    rates = SEARCH if options.lr == ["search"] else _rates(options.lr)
    chosen = options.task, rates, options.updates
    if not options.kit:
        heads = ProbeOptions(options.normalise, options.layer, options.seed, options.device)
        return evaluate(load_on(options.model, options.device), tasks, out, name, *chosen, heads, options.layer_sweep)
    rows = evaluate_superb_by_kit(options.model, tasks, out, f"{name} (s3prl)", *chosen, options.seed)
    write_results(out / "results.json", rows)
    return rows


def _rates(texts: list[str]) -> tuple[float, ...]:
    try:
        return tuple(map(float, texts))
    except ValueError:
        raise ConfigError(f"expected --lr search, or numbers such as 1e-3, got '{' '.join(texts)}'") from None


def _output(options: argparse.Namespace) -> Path:
    if not options.model or not options.out:
        raise ConfigError("expected MODEL and --out DIR, for instance: logmel --out runs/logmel; --list says what there is")
    return options.out


def load_on(model: str, device: str) -> Embedder:
    """Load an encoder and move it.

    Raises:
        ConfigError: if the device cannot be used.
    """
    from audiossl.load import load

    embedder = load(model)
    try:
        return embedder.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot use --device {device}: {str(error).splitlines()[0]}") from error


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
