"""The command line: each command a few lines over the library."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiossl.cli_evaluate import add_check, add_evaluate, check_model
from audiossl.cli_export import add_export, export_model
from audiossl.cli_probe import add_probe, probe_model
from audiossl.cli_publish import add_publish, publish_run
from audiossl.cli_recipes import add_kits, add_recipes, print_recipes
from audiossl.cli_stores import add_embed, add_search, add_tokenise, add_tokens, embed_files, search_store, tokenise_files
from audiossl.errors import AudiosslError, ConfigError
from audiossl.threads import wait_passively
from audiossl.version import __version__

# A disk that is full, over its quota, read-only or broken, and what may not be touched.
NO_FAULT_OF_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EMFILE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's error is one line on stderr and exit code 2."""
    wait_passively()  # before anything imports torch
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    if hasattr(options, "overrides"):
        # Up to Python 3.12 argparse leaves over the key=value that come after an option.
        options.overrides += [item for item in left_over if not item.startswith("-")]
        left_over = [item for item in left_over if item.startswith("-")]
    if left_over:
        parser.error(f"unrecognized arguments: {' '.join(left_over)}")
    try:
        code = options.command(options)
        _describe(options, arguments)
        return code
    except AudiosslError as error:
        if _fails_first():
            print("audiossl:", " ".join(line.strip() for line in str(error).splitlines()), file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in NO_FAULT_OF_OURS:
            raise
        if _fails_first():
            where = f"{error.filename}: " if error.filename else ""
            print(
                f"audiossl: {where}{error.strerror}. Fix that, then the same command resumes: finished work is kept",
                file=sys.stderr,
            )
        return 2
    except KeyboardInterrupt:
        if _fails_first():
            print("audiossl: interrupted; finished work is kept, the same command resumes from there", file=sys.stderr)
        return 130
    except Exception:
        if _fails_first():
            raise
        return 1


def _describe(options: argparse.Namespace, arguments: Sequence[str] | None) -> None:
    """Write the command and what it ran with into the folder that it filled."""
    out = getattr(options, "out", None)
    if isinstance(out, Path) and out.is_dir():
        from audiossl.files import write_json
        from audiossl.provenance import versions

        command = [str(word) for word in (sys.argv[1:] if arguments is None else arguments)]
        write_json(out / "command.json", {"command": ["audiossl", *command], "versions": versions()})


def _fails_first() -> bool:
    """Whether this process is the one to say what went wrong: under torchrun one failure ends all ranks."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return True
    from audiossl.world import World

    return World.join().fails_first()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audiossl", description="Self-supervised representations, learned and measured.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a recipe: only what is not up to date", description=run_recipe.__doc__)
    run.add_argument("recipe", type=Path, help="YAML file, its folder or name: recipes/asterisk/spear.yaml, or asterisk/spear")
    run.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR training.max_steps=100")
    run.set_defaults(command=run_recipe)

    finetune = commands.add_parser("finetune", help="train an encoder further on labels", description=finetune_encoder.__doc__)
    finetune.add_argument("encoder", nargs="?", help="in place of the recipe's own: a run, a checkpoint or another name")
    finetune.add_argument("recipe", help="YAML file, its folder or name, or a task for data of your own: ctc or tagging")
    finetune.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR training.max_steps=100")
    finetune.set_defaults(command=finetune_encoder)
    for action in (run, finetune):
        action.add_argument("--from", dest="first", metavar="STAGE", help="run this stage and all later ones again")
        action.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
        action.add_argument("--dry-run", action="store_true", help="say which stages would run and what they need")
        action.add_argument(
            "--verify", action="store_true", help="run nothing: are all files what they were when they were made?"
        )
    run.add_argument("--keys", action="store_true", help="run nothing: print every key of the recipe, its default and meaning")

    add_embed(commands.add_parser("embed", help="embed recordings into a store", description=embed_files.__doc__))
    add_search(
        commands.add_parser("search", help="find what a store holds that is like a query", description=search_store.__doc__)
    )
    add_probe(commands.add_parser("probe", help="score a model on a label of recordings", description=probe_model.__doc__))
    add_evaluate(commands.add_parser("evaluate", help="measure the quality of an encoder on labelled tasks"))
    add_export(commands.add_parser("export", help="write an encoder for other frameworks", description=export_model.__doc__))
    add_publish(
        commands.add_parser("publish", help="send the encoder of a run to the Hugging Face hub", description=publish_run.__doc__)
    )
    compare = commands.add_parser("compare", help="put the results of runs side by side", description=compare_results.__doc__)
    compare.add_argument("runs", nargs="+", type=Path, help="folders of runs, or results.json files")
    compare.add_argument("--metrics", nargs="+", default=[], help="take these only, for instance accuracy auroc")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each result")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    compare.add_argument(
        "--cost", action="append", default=[], metavar="NAME=MODEL", help="measure a compared model, as student=runs/asterisk"
    )
    compare.set_defaults(command=compare_results)
    add_check(commands.add_parser("check", help="does an encoder keep its promises?", description=check_model.__doc__))
    add_tokenise(commands.add_parser("tokenise", help="recordings into tokens of a teacher", description=tokenise_files.__doc__))
    add_tokens(commands.add_parser("tokens", help="fit a tokeniser, encode recordings, measure the tokens"))
    add_recipes(commands.add_parser("recipes", help="list recipes, or copy one", description=print_recipes.__doc__))
    add_kits(commands.add_parser("kits", help="environments for the original code of s3prl, heareval and MTEB"))
    models = commands.add_parser("models", help="list the encoders that can be loaded by name", description=list_models.__doc__)
    models.set_defaults(command=list_models)
    return parser


def run_recipe(options: argparse.Namespace) -> int:
    """Run the stages of a recipe that are not up to date; unchanged finished work is kept."""
    from audiossl.pipelines.catalogue import print_keys
    from audiossl.verbs.run import run
    from audiossl.world import World

    if options.keys:
        print_keys(options.recipe)
        return 0
    run(options.recipe, options.overrides, **_how(options))
    World.join().leave()
    return 0


def finetune_encoder(options: argparse.Namespace) -> int:
    """Train an encoder with a head for transcripts (CTC) or tags, as a recipe of method finetune says, and score it.

    `audiossl finetune runs/asterisk recipes/asterisk/ctc.yaml training.max_steps=100`; without an encoder that of the recipe.
    """
    from audiossl.verbs.finetune import finetune

    # Without an encoder, argparse takes the recipe for one and the first key=value for the recipe.
    words = [word for word in (options.encoder, options.recipe, *options.overrides) if word is not None]
    names, overrides = [word for word in words if "=" not in word], [word for word in words if "=" in word]
    if len(names) not in (1, 2):
        raise ConfigError(f"expected [ENCODER] RECIPE [key=value ...], got '{' '.join(names)}'")
    finetune(names[0] if len(names) == 2 else None, names[-1], overrides, **_how(options))
    return 0


def _how(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("first", "last", "dry_run", "verify")}


def compare_results(options: argparse.Namespace) -> int:
    """Compare models over runs: values with intervals, a z-score over tasks, and how much tasks agree on the order of models."""
    from audiossl.report.comparison import print_comparison
    from audiossl.verbs.compare import compare

    pairs = [item.partition("=") for item in options.cost]
    if not all(name and model for name, _, model in pairs):
        raise ConfigError(f"expected --cost NAME=MODEL, such as student=runs/asterisk, got {' '.join(options.cost)}")
    cost = {name: model for name, _, model in pairs}
    print_comparison(compare(options.runs, metrics=options.metrics, csv=options.csv, html=options.html, cost=cost))
    return 0


def list_models(options: argparse.Namespace) -> int:
    """List the encoders that `audiossl.load`, `embed`, recipes and teachers take by name."""
    from audiossl.verbs import lists

    for model in lists.list_models():
        print(model)
    print("Any of them may end with :LAYER. A class is written as my_package.my_module:MyEncoder or my_encoder.py:MyEncoder.")
    return 0
