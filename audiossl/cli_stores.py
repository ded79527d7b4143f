"""`audiossl embed` and `audiossl tokens`: recordings into stores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.cli_evaluate import load_on, parse_layers, parse_numbers
from audiossl.encoder_names import WRITTEN
from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from audiossl.signals.corpora.origins import Origin

RECORDINGS = (
    "audio files, folders that are searched, corpus folders, lhotse manifests and shards, tables of clips (CSV, TSV, JSON lines, "
    "Parquet with path and, where wanted, start, end, id)"
)
VERIFY = "run nothing: does the store hold what these recordings are now? Contents are compared; exit code 1 if one has changed"
MOST_LISTED = 20


def add_embed(embed: argparse.ArgumentParser) -> None:
    """Say what `audiossl embed` takes."""
    embed.add_argument("model", help=f"checkpoint or run folder, {WRITTEN} or a SPEAR repository")
    embed.add_argument("paths", nargs="+", type=Path, help=RECORDINGS)
    embed.add_argument("--out", type=Path, required=True, help="folder of the store; the same call resumes it")
    embed.add_argument("--layers", default="last", help="last (default), all, or numbers such as 2,4")
    embed.add_argument("--pool", choices=["mean"], help="store one vector a recording instead of frames")
    embed.add_argument("--dtype", choices=["float16", "float32"], default="float16", help="of stored frames")
    embed.add_argument("--shard", metavar="i/n", help="embed only the recordings of job i of n, 0 <= i < n")
    embed.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    embed.add_argument("--verify", action="store_true", help=VERIFY)
    _add_engine(embed)
    embed.set_defaults(command=embed_files)


def add_tokens(parser: argparse.ArgumentParser) -> None:
    """Say what `audiossl tokens` takes."""
    actions = parser.add_subparsers(required=True, metavar="fit|encode|report")
    fit = actions.add_parser("fit", help="fit a quantiser to a teacher's frames", description=fit_tokens.__doc__)
    encode = actions.add_parser("encode", help="tokenise recordings into a store", description=encode_tokens.__doc__)
    report = actions.add_parser("report", help="measure tokens before any training", description=report_tokens.__doc__)
    for action in (fit, encode, report):
        action.add_argument("paths", nargs="+", type=Path, help=RECORDINGS)
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
        action.add_argument("--trust-code", action="store_true", help="import the class that the folder names as its teacher")
        action.add_argument("--quality", choices=["fast", "default", "best", "exact"], default="default", help="of the search")
    encode.add_argument("--verify", action="store_true", help=VERIFY)
    _add_engine(encode)
    encode.set_defaults(command=encode_tokens)
    report.add_argument("--labels", type=Path, help='JSON lines {"id", "segments": [[label, start, end], ...]}, in seconds')
    report.add_argument("--frames", type=int, default=20_000, help="to measure on")
    report.set_defaults(command=report_tokens)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="this process, or workers of Ray Data")
    parser.add_argument("--workers", type=int, metavar="N", help="of ray; one for each CPU of its cluster by default")


def embed_files(options: argparse.Namespace) -> int:
    """Embed recordings with a model; the same call resumes it, and bad files are listed in rejected.jsonl.

    A file that has changed since is embedded anew. Exit code 2 if not one recording can be used.
    """
    from audiossl.embedding.extract import embed_paths

    layers = parse_layers(options.layers)
    shard = None
    if options.shard:
        numbers = parse_numbers(options.shard, "/", "--shard i/n, for instance 0/8")
        if len(numbers) != 2:
            raise ConfigError(f"expected --shard i/n, for instance 0/8, got '{options.shard}'")
        shard = (numbers[0], numbers[1])
    embedder = load_on(options.model, options.device)
    if options.verify:
        from audiossl.embedding.store import EmbeddingStore

        return _verify(options, EmbeddingStore.open(options.out).origins(), round(embedder.sample_rate))
    summary = embed_paths(
        embedder, options.paths, options.out, layers, options.pool, options.dtype, shard, True, options.engine, options.workers
    )
    renewed = f" ({summary.num_renewed} anew, since they have changed)" if summary.num_renewed else ""
    print(
        f"{summary.num_written} files embedded{renewed} ({summary.audio_seconds / 3600:.2f} h), "
        f"{summary.num_present} were there, {summary.num_rejected} rejected; {summary.folder}"
    )
    return _outcome(summary.num_written + summary.num_present, summary.num_rejected, summary.first_rejected, summary.folder)


def _outcome(num_used: int, num_rejected: int, first: str, folder: Path) -> int:
    """Name what was rejected first; code 2 if nothing could be used. A job that no recording falls to has done its part."""
    if not num_rejected:
        return 0
    if not num_used:
        print(f"audiossl: none of {num_rejected} recordings could be used; the first is {first}", file=sys.stderr)
        return 2
    print(f"rejected, the first of {num_rejected} in {folder / 'rejected.jsonl'}: {first}", file=sys.stderr)
    return 0


def _verify(options: argparse.Namespace, held: Mapping[str, Origin], sample_rate: int) -> int:
    """Say which recordings are others than those in a store; code 1 if there are any."""
    from audiossl.signals.corpora.origins import compare
    from audiossl.signals.corpora.recordings import gather

    recordings = gather(options.paths, sample_rate).by_id
    checked = compare(recordings.values(), held, verify=True)
    by_stamp = set(compare(recordings.values(), held).changed)  # what the same call without --verify sees
    others = {id_: Path(origin.path) for id_, origin in held.items() if id_ not in recordings}
    # A part of a tar is no file; the tar is.
    gone = [id_ for id_, path in others.items() if path.name and not path.exists() and not path.parent.is_file()]
    for ids, fault in (
        (
            [id_ for id_ in checked.changed if id_ in by_stamp],
            "it is not what it was, or another part is meant: the same call without --verify makes it anew",
        ),
        (
            [id_ for id_ in checked.changed if id_ not in by_stamp],
            "it holds something else, though its size and time are unchanged: touch it, and the same call without --verify makes "
            "it anew",
        ),
        (checked.elsewhere, "the store holds another file under this name"),
        (gone, "its file is gone"),
    ):
        for id_ in ids[:MOST_LISTED]:
            print(f"{id_}: {fault}")
        if len(ids) > MOST_LISTED:
            print(f"... and {len(ids) - MOST_LISTED} more")
    print(
        f"{len(checked.current)} recordings as they were, {len(checked.changed)} changed, {len(gone)} gone, "
        f"{len(checked.elsewhere)} of another file, {len(checked.unknown)} without a stamp, {len(checked.new)} not in the store; "
        f"{len(others) - len(gone)} of the store were not looked at"
    )
    return int(bool(checked.changed or checked.elsewhere or gone))


def fit_tokens(options: argparse.Namespace) -> int:
    """Fit a quantiser to a teacher's frames and write a tokeniser folder."""
    from audiossl.pipelines.tokenise.corpus import QuantiserConfig
    from audiossl.pipelines.tokenise.folders import fit_tokeniser

    steps = {} if options.steps is None else {"steps": options.steps}
    config = QuantiserConfig(options.kind, options.num_codebooks, options.codebook_size, options.frames, options=steps)
    quantiser = fit_tokeniser(
        options.paths, options.out, options.teacher, options.layer, config, not options.no_normalise, options.seed, options.device
    )
    print(f"{quantiser.kind} {quantiser.num_codebooks} x {quantiser.codebook_size}, id {quantiser.id}; {options.out}")
    return 0


def encode_tokens(options: argparse.Namespace) -> int:
    """Tokenise recordings into a store; the same call resumes it, and bad files are listed in rejected.jsonl.

    A file that has changed since is tokenised anew. Exit code 2 if not one recording can be used.
    """
    from audiossl.pipelines.tokenise.folders import encode_recordings

    if options.verify:
        from audiossl.pipelines.tokenise.folders import open_tokeniser, rate_of
        from audiossl.tokens.store import TokenStore

        teacher, quantiser, _ = open_tokeniser(options.tokeniser, options.device, trust_code=options.trust_code)
        return _verify(options, TokenStore.open(options.out, quantiser.id).origins(), rate_of(teacher))
    where = options.device, options.engine, options.workers
    done = encode_recordings(
        options.paths, options.tokeniser, options.out, options.quality, *where, trust_code=options.trust_code
    )
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
