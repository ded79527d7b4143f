"""`audiossl embed`, `search`, `tokenise` and `tokens`: recordings into stores."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiossl.cli_evaluate import parse_layers, parse_numbers
from audiossl.encoder_names import WRITTEN
from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from audiossl.embedding.neighbours import Neighbour
    from audiossl.embedding.store import EmbeddingStore
    from audiossl.pipelines.tokenise.plan import TokenPlan

RECORDINGS = (
    "audio files, folders that are searched, patterns, corpus folders, lhotse manifests and shards, Kaldi folders, Hugging Face "
    "data sets, tables of clips (CSV, TSV, JSON lines, Parquet with path and, where wanted, start, end, id); for models of "
    "sensors or BOLD runs tables of series, arrays, EDF files, folders of runs"
)
VERIFY = "run nothing: does the store hold what these recordings are now? Contents are compared; exit code 1 if one has changed"
DRY_RUN = "run nothing: say what it would take in time, memory and disk"
WHERE = "only those with these columns, for instance \"speaker == 'a' and age < 30\"; in [...], not, or, null, parentheses"
QUALITIES = ["fast", "default", "best", "exact"]
MOST_COLUMNS = 6  # of one's own in a printed table


def add_embed(embed: argparse.ArgumentParser) -> None:
    """Say what `audiossl embed` takes."""
    embed.add_argument("model", help=f"checkpoint or run folder, {WRITTEN} or a SPEAR repository")
    _add_recordings(embed)
    embed.add_argument("--out", type=Path, required=True, help="folder of the store; the same call resumes it")
    embed.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4")
    embed.add_argument("--pool", choices=["mean"], help="store one vector a recording instead of frames")
    embed.add_argument(
        "--dtype", choices=["float16", "float32"], default="float16", help="dtype of stored frames (default float16)"
    )
    embed.add_argument("--shard", metavar="i/n", help="embed only the recordings of job i of n, 0 <= i < n")
    window = (
        "seconds in which longer recordings are read; auto (default) is 30 for audio, whole runs every recording in one piece"
    )
    embed.add_argument("--window-seconds", type=_parse_window, default="auto", metavar="S", help=window)
    embed.add_argument("--device", help="cpu (default), cuda, cuda:1, mps")
    embed.add_argument("--verify", action="store_true", help=VERIFY)
    embed.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    _add_engine(embed)
    embed.set_defaults(command=embed_files)


def add_search(search: argparse.ArgumentParser) -> None:
    """Say what `audiossl search` takes."""
    search.add_argument("store", type=Path, help="folder that `audiossl embed` wrote")
    search.add_argument("query", help="a recording, the id of an item of the store, or a .npy file with a vector")
    search.add_argument("-k", type=int, default=10, help="number of neighbours (default 10)")
    search.add_argument("--where", metavar="CONDITION", help=WHERE)
    search.add_argument("--layer", type=int, help="layer of the store; its last by default")
    search.add_argument("--by", choices=["pooled", "frames"], default="pooled", help="compare means (default), or every frame")
    search.add_argument("--index", choices=["faiss"], help="search with FAISS, which has to be installed")
    search.add_argument("--model", help="model that embeds a recording; by default the one that the store names")
    search.add_argument("--device", help="device of the model: cpu (default), cuda, cuda:1, mps")
    search.add_argument("--trust-code", action="store_true", help="import the class that the store names as its model")
    search.add_argument("--json", action="store_true", help="print JSON in place of a table")
    search.set_defaults(command=search_store)


def add_tokenise(tokenise: argparse.ArgumentParser) -> None:
    """Say what `audiossl tokenise` takes."""
    _add_recordings(tokenise)
    tokenise.add_argument("--out", type=Path, required=True, help="folder of the store; the same call resumes it")
    _add_fit(tokenise)
    tokenise.add_argument("--quality", choices=QUALITIES, default="default", help="quality of the search")
    tokenise.add_argument("--device", default="cpu", help="device of the teacher: cpu (default), cuda, cuda:1, mps")
    tokenise.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    _add_engine(tokenise)
    tokenise.set_defaults(command=tokenise_files)


def add_tokens(parser: argparse.ArgumentParser) -> None:
    """Say what `audiossl tokens` takes."""
    actions = parser.add_subparsers(required=True, metavar="fit|encode|report")
    fit = actions.add_parser("fit", help="fit a quantiser to a teacher's frames", description=fit_tokens.__doc__)
    encode = actions.add_parser("encode", help="tokenise recordings into a store", description=encode_tokens.__doc__)
    report = actions.add_parser("report", help="measure tokens before any training", description=report_tokens.__doc__)
    for action in (fit, encode):
        _add_recordings(action)
        action.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    report.add_argument("paths", nargs="+", type=Path, help=RECORDINGS)
    for action in (fit, encode, report):
        action.add_argument("--out", type=Path, required=True, help="folder that is written")
        action.add_argument("--device", default="cpu", help="device of the teacher: cpu, cuda, cuda:1, mps")
    _add_fit(fit)
    fit.set_defaults(command=fit_tokens)
    for action in (encode, report):
        action.add_argument("--tokeniser", type=Path, required=True, help="folder that `audiossl tokens fit` wrote")
        action.add_argument("--trust-code", action="store_true", help="import the class that the folder names as its teacher")
        action.add_argument("--quality", choices=QUALITIES, default="default", help="quality of the search")
    encode.add_argument("--verify", action="store_true", help=VERIFY)
    _add_engine(encode)
    encode.set_defaults(command=encode_tokens)
    report.add_argument("--labels", type=Path, help='JSON lines {"id", "segments": [[label, start, end], ...]}, in seconds')
    report.add_argument("--frames", type=int, default=20_000, help="number of frames to measure on")
    report.set_defaults(command=report_tokens)


def _add_recordings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, help=RECORDINGS)
    parser.add_argument(
        "--table", type=Path, help="table of rows that are joined to the recordings by id, path, file name or stem"
    )
    parser.add_argument("--where", metavar="CONDITION", help=WHERE)


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--teacher", default="hama", help=f"{WRITTEN} or a folder (default hama)")
    parser.add_argument("--layer", type=int, help="layer of the teacher; its last by default")
    parser.add_argument(
        "--normalise",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="bring the teacher's channels to one scale (default)",
    )
    parser.add_argument("--kind", default="mvq", help="quantiser: mvq, rvq, fsq, kmeans or FILE.py:Class (default mvq)")
    parser.add_argument("--num-codebooks", type=int, default=8, help="codes per frame (default 8)")
    parser.add_argument("--codebook-size", type=int, default=256, help="entries per codebook (default 256)")
    parser.add_argument(
        "--frames", type=int, default=100_000, help="number of frames to fit to, of recordings drawn at random (default 100000)"
    )
    parser.add_argument("--steps", type=int, help="updates of the centres (mvq, rvq)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw and the fit (default 1)")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="this machine, or workers of Ray Data")
    parser.add_argument("--workers", type=int, metavar="N", help="processes to work in; 1 by default, with ray one for each CPU")


def embed_files(options: argparse.Namespace) -> int:
    """Embed recordings with a model; the same call resumes it, and bad files are listed in rejected.jsonl.

    A file that has changed since is embedded anew. The columns of a table are kept. Exit code 2 if not one recording can be used.
    """
    from audiossl.embedding.plan import EmbedPlan
    from audiossl.signals.corpora.store_check import StoreCheck
    from audiossl.verbs.embed import embed

    names = "pool", "dtype", "table", "where", "window_seconds", "device", "engine", "workers", "verify", "dry_run"
    chosen: dict[str, Any] = {name: getattr(options, name) for name in names}
    layers, shard = parse_layers(options.layers), _parse_shard(options.shard)
    done: EmbeddingStore | EmbedPlan | StoreCheck = embed(
        options.model, options.paths, options.out, layers=layers, shard=shard, **chosen
    )
    if isinstance(done, EmbedPlan):
        print(done)
        return 2 if done.problem else 0
    if isinstance(done, StoreCheck):
        print(done)
        return int(not done.agrees)
    summary = done.summary
    assert summary is not None  # `embed` sets it
    print(summary)
    _warn(summary.duplicates.warning)
    return _outcome(summary.num_written + summary.num_present, summary.num_rejected, summary.first_rejected, summary.folder)


def _parse_window(text: str) -> float | str | None:
    if text in ("auto", "whole"):
        return "auto" if text == "auto" else None
    if not 0 < float(text) < float("inf"):
        raise ValueError(text)
    return float(text)


_parse_window.__name__ = "window (auto, whole or seconds)"  # what argparse calls it


def _parse_shard(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    numbers = parse_numbers(text, "/", "--shard i/n, for instance 0/8")
    if len(numbers) != 2:
        raise ConfigError(f"expected --shard i/n, for instance 0/8, got '{text}'")
    return numbers[0], numbers[1]


def search_store(options: argparse.Namespace) -> int:
    """Find what a store holds that is most like a recording, one of its items or a vector, by the cosine; exact.

    `audiossl search emb query.wav -k 5 --where "speaker != 'a'"`
    """
    from audiossl.verbs.search import search

    names = "k", "where", "layer", "by", "index", "model", "device", "trust_code"
    found = search(options.store, options.query, **{name: getattr(options, name) for name in names})
    if options.json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
    elif found:
        _print_neighbours(found)
    else:
        print("nothing: the store, or what --where leaves of it, is empty")
    return 0


def _print_neighbours(found: Sequence[Neighbour]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from audiossl.console import print_table

    names = list(dict.fromkeys(name for one in found for name in one.columns))[:MOST_COLUMNS]
    with_time = any(one.time is not None for one in found)
    table = Table("", "similarity", "id", "start", "end", *(["at"] if with_time else []), *map(escape, names))
    for rank, one in enumerate(found, 1):
        time = [f"{one.time:.2f}"] if one.time is not None else []
        cells = ["" if one.columns.get(name) is None else str(one.columns[name]) for name in names]
        table.add_row(
            str(rank), f"{one.similarity:.4f}", escape(one.id), f"{one.start:.2f}", f"{one.end:.2f}", *time, *map(escape, cells)
        )
    print_table(table)


def _warn(text: str) -> None:
    from audiossl.console import console

    if text:
        console.print(text, style="yellow", markup=False, soft_wrap=True)


def _outcome(num_used: int, num_rejected: int, first: str, folder: Path) -> int:
    """Name what was rejected first; code 2 if nothing could be used. A job that no recording falls to has done its part."""
    if not num_rejected:
        return 0
    if not num_used:
        print(f"audiossl: none of {num_rejected} recordings could be used; the first is {first}", file=sys.stderr)
        return 2
    print(f"rejected, the first of {num_rejected} in {folder / 'rejected.jsonl'}: {first}", file=sys.stderr)
    return 0


def tokenise_files(options: argparse.Namespace) -> int:
    """Fit a tokeniser to recordings, in OUT/tokeniser, and tokenise them into the store OUT; the same call resumes it.

    `audiossl tokenise recordings/ --teacher hama --out tokens`
    """
    from audiossl.pipelines.tokenise.fit_and_encode import rejected_by
    from audiossl.tokens.store import TokenStore
    from audiossl.verbs.tokenise import tokenise

    named = {name: value for name, value in vars(options).items() if name not in ("command", "paths", "out")}
    done: TokenStore | TokenPlan = tokenise(options.paths, options.out, **named)
    if not isinstance(done, TokenStore):
        print(done)
        return 0
    rejected = rejected_by(options.out)
    print(
        f"{len(done)} recordings in {options.out} ({done.num_token_frames} frames of {done.num_codebooks} x {done.codebook_size} "
        f"at {done.frame_rate:g} Hz), {len(rejected)} rejected"
    )
    first = f"{rejected[0]['id']}: {rejected[0]['reason']}" if rejected else ""
    return _outcome(len(done), len(rejected), first, options.out)


def fit_tokens(options: argparse.Namespace) -> int:
    """Fit a quantiser to a teacher's frames and write a tokeniser folder."""
    from audiossl.pipelines.tokenise.corpus import QuantiserConfig
    from audiossl.pipelines.tokenise.folders import fit_tokeniser, usable_device
    from audiossl.pipelines.tokenise.plan import plan_tokens
    from audiossl.teachers.teacher import load_teacher, parse_teacher

    steps = {} if options.steps is None else {"steps": options.steps}
    config = QuantiserConfig(options.kind, options.num_codebooks, options.codebook_size, options.frames, options=steps)
    which = {"table": options.table, "where": options.where}
    if options.dry_run:
        teacher = load_teacher(parse_teacher(options.teacher, options.layer), usable_device(options.device))
        print(plan_tokens(options.paths, options.out, teacher, fit=config, **which))
        return 0
    teacher = options.teacher, options.layer
    how = {"normalise": options.normalise, "seed": options.seed, "device": options.device, **which}
    quantiser = fit_tokeniser(options.paths, options.out, *teacher, config, **how)
    print(f"{quantiser.kind} {quantiser.num_codebooks} x {quantiser.codebook_size}, id {quantiser.id}; {options.out}")
    return 0


def encode_tokens(options: argparse.Namespace) -> int:
    """Tokenise recordings into a store; the same call resumes it, and bad files are listed in rejected.jsonl.

    A file that has changed since is tokenised anew. Exit code 2 if not one recording can be used.
    """
    from audiossl.pipelines.tokenise.folders import encode_recordings, open_tokeniser, rate_of
    from audiossl.pipelines.tokenise.plan import plan_tokens
    from audiossl.signals.corpora.places import gather_places
    from audiossl.signals.corpora.store_check import check_store
    from audiossl.tokens.store import TokenStore

    which = {"table": options.table, "where": options.where}
    if options.verify or options.dry_run:
        teacher, quantiser, _ = open_tokeniser(options.tokeniser, options.device, trust_code=options.trust_code)
        if options.dry_run:
            print(plan_tokens(options.paths, options.out, teacher, encode=quantiser, **which))
            return 0
        held = TokenStore.open(options.out, quantiser.id).origins()
        check = check_store(gather_places(options.paths, rate_of(teacher), **which).by_id, held)
        print(check)
        return int(not check.agrees)
    how = {"engine": options.engine, "num_workers": options.workers, "trust_code": options.trust_code, **which}
    done = encode_recordings(options.paths, options.tokeniser, options.out, options.quality, options.device, **how)
    renewed = f" ({done.num_renewed} anew, since their files have changed)" if done.num_renewed else ""
    print(
        f"{done.num_written} recordings tokenised{renewed} ({done.num_frames} frames), {done.num_present} were there, "
        f"{len(done.rejected)} rejected; {options.out}"
    )
    first = f"{done.rejected[0]['id']}: {done.rejected[0]['reason']}" if done.rejected else ""
    return _outcome(done.num_written + done.num_present, len(done.rejected), first, options.out)


def report_tokens(options: argparse.Namespace) -> int:
    """Measure the tokens of recordings: error against Shannon's bound, use of codes, agreement with labels, speed."""
    from audiossl.pipelines.tokenise.folders import report_tokens as measure

    measured = measure(
        options.paths,
        options.tokeniser,
        options.out,
        options.labels,
        options.quality,
        options.frames,
        options.device,
        trust_code=options.trust_code,
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
