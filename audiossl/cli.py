"""The command line: each command a few lines over the library."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from audiossl import __version__
from audiossl.cli_evaluate import add_evaluate, evaluate_fmri, evaluate_sensors, load_on, parse_layers, parse_numbers
from audiossl.encoder_names import WRITTEN
from audiossl.errors import AudiosslError, ConfigError
from audiossl.threads import wait_passively

# A disk that is full, over its quota, read-only or broken, and what may not be touched.
NO_FAULT_OF_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EMFILE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's error is one line on stderr and exit code 2."""
    wait_passively()  # before anything imports torch
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    if options.command in (run_recipe, finetune_encoder, evaluate_sensors, evaluate_fmri):
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
                f"audiossl: {where}{error.strerror}. Mend that, then the same command goes on: finished work is kept",
                file=sys.stderr,
            )
        return 2
    except KeyboardInterrupt:
        if _fails_first():
            print("audiossl: interrupted; finished work is kept, the same command goes on from there", file=sys.stderr)
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
    from audiossl.training.world import World

    return World.join().fails_first()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audiossl", description="Self-supervised representations, learned and measured.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a recipe: only what is not up to date", description=run_recipe.__doc__)
    run.add_argument("recipe", type=Path, help="YAML file, its folder or name: recipes/asterisk/spear.yaml, or asterisk/spear")
    run.add_argument("overrides", nargs="*", metavar="key=value", help="for instance output=DIR training.max_steps=100")
    run.set_defaults(command=run_recipe)

    finetune = commands.add_parser(
        "finetune", help="train an encoder further on labels", description=finetune_encoder.__doc__,
        usage="audiossl finetune [ENCODER] RECIPE [key=value ...] [--from STAGE] [--to STAGE] [--dry-run]",
    )  # fmt: skip
    finetune.add_argument(
        "overrides", nargs="+", metavar="RECIPE", help="YAML file; an encoder before it replaces the recipe's own"
    )
    finetune.set_defaults(command=finetune_encoder)
    for action in (run, finetune):
        action.add_argument("--from", dest="first", metavar="STAGE", help="run this stage and all later ones again")
        action.add_argument("--to", dest="last", metavar="STAGE", help="stop after this stage")
        action.add_argument("--dry-run", action="store_true", help="say which stages would run and what they need")
        action.add_argument(
            "--verify", action="store_true", help="run nothing: are all files what they were when they were made?"
        )

    embed = commands.add_parser("embed", help="embed audio files into a store", description=embed_files.__doc__)
    embed.add_argument("model", help=f"checkpoint or run folder, {WRITTEN} or a SPEAR repository")
    embed.add_argument("paths", nargs="+", type=Path, help="files, and folders that are searched for audio")
    embed.add_argument("--out", type=Path, required=True, help="folder of the store; the same call resumes it")
    embed.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4")
    embed.add_argument("--pool", choices=["mean"], help="store one vector a file instead of frames")
    embed.add_argument("--dtype", choices=["float16", "float32"], default="float16", help="of stored frames")
    embed.add_argument("--shard", metavar="i/n", help="embed only the files of job i of n, 0 <= i < n")
    embed.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    _add_engine(embed)
    embed.set_defaults(command=embed_files)
    add_evaluate(commands.add_parser("evaluate", help="measure what an encoder is worth on labelled tasks"))
    export = commands.add_parser("export", help="write an encoder for other frameworks", description=export_model.__doc__)
    export.add_argument("target", choices=["s3prl", "hear", "hf"], help="an upstream folder, one module, the public SPEAR layout")
    export.add_argument("model", help="anything that `audiossl.load` takes; for hf a Zipformer")
    export.add_argument("--out", type=Path, required=True, help="folder, for hear a file such as my_embed.py")
    export.add_argument("--layers", help="for hear: last (default), all, or numbers such as 2,4, which are laid side by side")
    export.add_argument("--pooling", choices=["mean", "mean+max"], help="for hear: of scene embeddings over time (default mean)")
    export.set_defaults(command=export_model)
    compare = commands.add_parser("compare", help="put the results of runs side by side", description=compare_results.__doc__)
    compare.add_argument("runs", nargs="+", type=Path, help="folders of runs, or results.json files")
    compare.add_argument("--metrics", nargs="+", default=[], help="take these only, for instance accuracy auroc")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each result")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    compare.add_argument(
        "--cost", action="append", default=[], metavar="NAME=MODEL", help="measure a compared model, as student=runs/asterisk"
    )
    compare.set_defaults(command=compare_results)
    check = commands.add_parser("check", help="does an encoder keep its promises?", description=check_model.__doc__)
    check.add_argument("model", help="anything that `audiossl.load` takes")
    check.add_argument("--quick", action="store_true", help="a long file of 40 s instead of 10 minutes, fewer repetitions")
    check.add_argument("--as-published", action="store_true", help="run a hf: model in padded batches, as its documentation does")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the findings to this file as well")
    check.set_defaults(command=check_model)
    _add_tokens(commands.add_parser("tokens", help="fit a tokeniser, encode recordings, measure the tokens"))
    models = commands.add_parser("models", help="list the encoders that can be loaded by name", description=list_models.__doc__)
    models.set_defaults(command=list_models)
    return parser


def _add_tokens(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="fit|encode|report")
    fit = actions.add_parser("fit", help="fit a quantiser to a teacher's frames", description=fit_tokens.__doc__)
    encode = actions.add_parser("encode", help="tokenise recordings into a store", description=encode_tokens.__doc__)
    report = actions.add_parser("report", help="measure tokens before any training", description=report_tokens.__doc__)
    for action in (fit, encode, report):
        action.add_argument("paths", nargs="+", type=Path, help="audio files and folders, a corpus folder or a lhotse manifest")
        action.add_argument("--out", type=Path, required=True, help="folder that is written")
        action.add_argument("--device", default="cpu", help="of the teacher: cpu, cuda, cuda:1, mps")
    fit.add_argument("--teacher", default="hama", help=f"{WRITTEN} or a folder (default hama)")
    fit.add_argument("--layer", type=int, help="of the teacher; its last by default")
    fit.add_argument("--no-normalise", action="store_true", help="keep the scale of the teacher's channels")
    fit.add_argument("--kind", choices=["mvq", "rvq", "fsq", "kmeans"], default="mvq")
    fit.add_argument("--num-codebooks", type=int, default=8, help="codes per frame")
    fit.add_argument("--codebook-size", type=int, default=256, help="entries per codebook")
    fit.add_argument("--frames", type=int, default=100_000, help="to fit to, of recordings drawn at random")
    fit.add_argument("--steps", type=int, help="updates of the centres (mvq, rvq)")
    fit.add_argument("--seed", type=int, default=1)
    fit.set_defaults(command=fit_tokens)
    for action in (encode, report):
        action.add_argument("--tokeniser", type=Path, required=True, help="folder that `audiossl tokens fit` wrote")
        action.add_argument("--quality", choices=["fast", "default", "best", "exact"], default="default", help="of the search")
    _add_engine(encode)
    encode.set_defaults(command=encode_tokens)
    report.add_argument("--labels", type=Path, help='JSON lines {"id", "segments": [[label, start, end], ...]}, in seconds')
    report.add_argument("--frames", type=int, default=20_000, help="to measure on")
    report.set_defaults(command=report_tokens)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="this process, or workers of Ray Data")
    parser.add_argument("--workers", type=int, metavar="N", help="of ray; one for each CPU of its cluster by default")


def run_recipe(options: argparse.Namespace) -> int:
    """Run the stages of a recipe that are not up to date; unchanged finished work is kept."""
    from audiossl.pipelines.catalogue import run_pipeline
    from audiossl.training.world import World

    run_pipeline(options.recipe, options.overrides, options.first, options.last, options.dry_run, None, options.verify)
    World.join().leave()
    return 0


def finetune_encoder(options: argparse.Namespace) -> int:
    """Train an encoder with a head for transcripts (CTC) or tags, as a recipe of method finetune says, and score it.

    `audiossl finetune runs/asterisk recipes/asterisk/ctc.yaml training.max_steps=100`; without an encoder that of the recipe.
    """
    from audiossl.pipelines.catalogue import run_pipeline

    names = [item for item in options.overrides if "=" not in item]
    overrides = [item for item in options.overrides if "=" in item]
    if len(names) not in (1, 2) or Path(names[-1]).suffix not in (".yaml", ".yml"):
        raise ConfigError(f"expected [ENCODER] RECIPE.yaml [key=value ...], got '{' '.join(names)}'")
    overrides += [f"encoder={name}" for name in names[:-1]]
    run_pipeline(Path(names[-1]), overrides, options.first, options.last, options.dry_run, "finetune", options.verify)
    return 0


def embed_files(options: argparse.Namespace) -> int:
    """Embed audio files with a model; bad files are listed in rejected.jsonl."""
    from audiossl.embedding.extract import embed_paths

    layers = parse_layers(options.layers)
    shard = None
    if options.shard:
        numbers = parse_numbers(options.shard, "/", "--shard i/n, for instance 0/8")
        if len(numbers) != 2:
            raise ConfigError(f"expected --shard i/n, for instance 0/8, got '{options.shard}'")
        shard = (numbers[0], numbers[1])
    embedder = load_on(options.model, options.device)
    summary = embed_paths(
        embedder, options.paths, options.out, layers, options.pool, options.dtype, shard, True, options.engine, options.workers
    )
    print(
        f"{summary.num_written} files embedded ({summary.audio_seconds / 3600:.2f} h), {summary.num_present} were there, "
        f"{summary.num_rejected} rejected; {summary.folder}"
    )
    return 0


def export_model(options: argparse.Namespace) -> int:
    """Export an encoder as an s3prl upstream, a HEAR module or a Hugging Face folder."""
    from audiossl.export.hear import export_hear
    from audiossl.export.hf import export_hf
    from audiossl.export.s3prl import export_s3prl

    if options.target == "hear":
        print(export_hear(options.model, options.out, parse_layers(options.layers or "last"), options.pooling or "mean"))
        return 0
    if options.layers or options.pooling:
        raise ConfigError(f"--layers and --pooling are for hear; {options.target} exports the encoder with all its layers")
    print({"s3prl": export_s3prl, "hf": export_hf}[options.target](options.model, options.out))
    return 0


def compare_results(options: argparse.Namespace) -> int:
    """Compare models over runs: values with intervals, a z-score over tasks, and how much tasks agree on the order of models."""
    from audiossl.evaluation.compare import compare_runs, with_costs, write_csv
    from audiossl.report.comparison import print_comparison, write_comparison

    pairs = [item.partition("=") for item in options.cost]
    if not all(name and model for name, _, model in pairs):
        raise ConfigError(f"expected --cost NAME=MODEL, such as student=runs/asterisk, got {' '.join(options.cost)}")
    comparison = compare_runs(options.runs, options.metrics)
    if pairs:
        comparison = with_costs(comparison, {name: model for name, _, model in pairs})
    print_comparison(comparison)
    if options.csv:
        write_csv(comparison, options.csv)
    if options.html:
        write_comparison(comparison, options.html)
    return 0


def check_model(options: argparse.Namespace) -> int:
    """Check an encoder: frame counts, padding, repetition, unusual signals, drift, copies, memory; exit code 1 if one fails."""
    from dataclasses import asdict

    from rich.table import Table

    from audiossl.console import print_table
    from audiossl.embedding.embedder import Embedder
    from audiossl.evaluation.encoder_check import check_encoder, has_failed
    from audiossl.files import write_json
    from audiossl.load import load

    embedder = load(options.model)
    if options.as_published:
        from audiossl.evaluation.encoder_check.published import PublishedBatch
        from audiossl.teachers.hugging_face import HuggingFaceEncoder

        if not isinstance(embedder.encoder, HuggingFaceEncoder):
            raise ConfigError(f"--as-published is for hf: models, '{options.model}' is none")
        embedder = Embedder(PublishedBatch(embedder.encoder), name=options.model)
    findings = check_encoder(embedder, options.quick)
    table = Table("check", "", "found", "advice", title=options.model)
    for finding in findings:
        colour = {"pass": "green", "warn": "yellow", "fail": "red"}[finding.status]
        table.add_row(finding.check, f"[{colour}]{finding.status}[/{colour}]", finding.found, finding.advice)
    print_table(table)
    if options.json:
        write_json(options.json, [asdict(finding) for finding in findings])
    return int(has_failed(findings))


def list_models(options: argparse.Namespace) -> int:
    """List the encoders that `audiossl.load`, `embed` and recipes take by name."""
    from audiossl.encoder_names import ENCODERS
    from audiossl.models.published import PUBLISHED

    for name, about in (
        *((encoder.written, encoder.about) for encoder in ENCODERS.values()),
        *((model.name, ", ".join(filter(None, (model.preset, model.trained_on, model.note)))) for model in PUBLISHED),
    ):
        print(f"{name:42s} {about}")
    return 0


def fit_tokens(options: argparse.Namespace) -> int:
    """Fit a quantiser to a teacher's frames and write a tokeniser folder."""
    from audiossl.pipelines.token_folders import fit_tokeniser
    from audiossl.pipelines.tokenise import QuantiserConfig

    steps = {} if options.steps is None else {"steps": options.steps}
    config = QuantiserConfig(options.kind, options.num_codebooks, options.codebook_size, options.frames, options=steps)
    quantiser = fit_tokeniser(
        options.paths, options.out, options.teacher, options.layer, config, not options.no_normalise, options.seed, options.device
    )
    print(f"{quantiser.kind} {quantiser.num_codebooks} x {quantiser.codebook_size}, id {quantiser.id}; {options.out}")
    return 0


def encode_tokens(options: argparse.Namespace) -> int:
    """Tokenise recordings into a store; the same call resumes it, and bad files are listed in rejected.jsonl."""
    from audiossl.pipelines.token_folders import encode_recordings

    where = options.device, options.engine, options.workers
    done = encode_recordings(options.paths, options.tokeniser, options.out, options.quality, *where)
    print(
        f"{done.num_written} recordings tokenised ({done.num_frames} frames), {done.num_present} were there, "
        f"{len(done.rejected)} rejected; {options.out}"
    )
    return 0


def report_tokens(options: argparse.Namespace) -> int:
    """Measure the tokens of recordings: error against Shannon's bound, use of codes, agreement with labels, speed."""
    from audiossl.pipelines.token_folders import report_tokens as measure

    measured = measure(
        options.paths, options.tokeniser, options.out, options.labels, options.quality, options.frames, options.device
    )
    seen = "not fitted to these" if measured.held_out else "fitted to some of these: the error is flattered"
    print(f"{measured.diagnostics.num_frames:,} frames of {measured.num_recordings} recordings; the quantiser was {seen}")
    for search in measured.searches:
        print(f"{search.quality:8s} relative error {search.relative_error:.4f}, {search.frames_per_second:,.0f} frames/s")
    print(f"Shannon bound of Gaussian frames {measured.shannon_error:.4f}; {measured.bytes_per_hour / 1e6:.2f} MB per hour")
    if found := measured.labels:
        print(
            f"labels {found.name}, best codebook: purity {max(found.purity):.3f} (chance {found.chance_purity:.3f}), "
            f"PNMI {max(found.pnmi):.3f}; {found.num_labels} labels on {found.num_frames:,} frames"
        )
    elif options.labels:
        print(f"labels {options.labels.stem}: none lies on the frames that were measured")
    for problem in measured.diagnostics.problems:
        print(f"problem: {problem}")
    print(f"report: {options.out / 'tokens.html'}")
    return 0
