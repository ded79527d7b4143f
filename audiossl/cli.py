"""The command line: each command a few lines over the library."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from audiossl import __version__
from audiossl.errors import AudiosslError, ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's error is one line on stderr and exit code 2."""
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    if options.command is run_recipe:
        # Up to Python 3.12 argparse leaves over the key=value that come after an option.
        options.overrides += [item for item in left_over if not item.startswith("-")]
        left_over = [item for item in left_over if item.startswith("-")]
    if left_over:
        parser.error(f"unrecognized arguments: {' '.join(left_over)}")
    try:
        return options.command(options)
    except AudiosslError as error:
        print("audiossl:", " ".join(line.strip() for line in str(error).splitlines()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("audiossl: interrupted; finished work is kept, the same command goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audiossl", description="Self-supervised representations, learned and measured.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a recipe: only what is not up to date", description=run_recipe.__doc__)
    run.add_argument("recipe", type=Path, help="YAML file, for instance recipes/asterisk/spear.yaml")
    run.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR training.max_steps=100")
    run.add_argument("--from", dest="first", metavar="STAGE", help="run this stage and all later ones again")
    run.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
    run.add_argument("--dry-run", action="store_true", help="say which stages would run, and what they cost last time")
    run.set_defaults(command=run_recipe)

    embed = commands.add_parser("embed", help="embed audio files into a store", description=embed_files.__doc__)
    embed.add_argument("model", help="checkpoint or run folder, logmel, hama, hf:NAME[:LAYER] or a SPEAR repository")
    embed.add_argument("paths", nargs="+", type=Path, help="files, and folders that are searched for audio")
    embed.add_argument("--out", type=Path, required=True, help="folder of the store; the same call resumes it")
    embed.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4")
    embed.add_argument("--pool", choices=["mean"], help="store one vector a file instead of frames")
    embed.add_argument("--dtype", choices=["float16", "float32"], default="float16", help="of stored frames")
    embed.add_argument("--shard", metavar="i/n", help="embed only the files of job i of n, 0 <= i < n")
    embed.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    embed.set_defaults(command=embed_files)
    return parser


def run_recipe(options: argparse.Namespace) -> int:
    """Run the stages of a recipe that are not up to date; unchanged finished work is kept."""
    from audiossl.pipelines.catalogue import run_pipeline

    run_pipeline(options.recipe, options.overrides, options.first, options.last, options.dry_run)
    return 0


def embed_files(options: argparse.Namespace) -> int:
    """Embed audio files with a model; bad files are listed in rejected.jsonl."""
    from audiossl.embedding.extract import embed_paths
    from audiossl.load import load

    layers = options.layers if options.layers in ("last", "all") else _numbers(options.layers, ",", "--layers last, all or 2,4")
    shard = None
    if options.shard:
        numbers = _numbers(options.shard, "/", "--shard i/n, for instance 0/8")
        if len(numbers) != 2:
            raise ConfigError(f"expected --shard i/n, for instance 0/8, got '{options.shard}'")
        shard = (numbers[0], numbers[1])
    embedder = load(options.model)
    try:
        embedder.to(options.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot use --device {options.device}: {str(error).splitlines()[0]}") from error
    summary = embed_paths(embedder, options.paths, options.out, layers, options.pool, options.dtype, shard)
    print(
        f"{summary.num_written} files embedded ({summary.audio_seconds / 3600:.2f} h), {summary.num_present} were there, "
        f"{summary.num_rejected} rejected; {summary.folder}"
    )
    return 0


def _numbers(text: str, separator: str, expected: str) -> list[int]:
    try:
        return [int(part) for part in text.split(separator)]
    except ValueError:
        raise ConfigError(f"expected {expected}, got '{text}'") from None
