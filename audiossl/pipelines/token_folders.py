"""What `audiossl tokens` does: fit, encode and report over folders, for any teacher and any recordings.

A tokeniser is a folder: `teacher.json` says which model is read at which layer (with the digest of weights that lie in a local
folder, which may be trained anew), `quantiser/` holds the codebooks and
`fitted_to.json` the recordings that they were fitted to.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from audiossl.embedding.extract import name_items
from audiossl.engines import Engine
from audiossl.errors import ConfigError, StoreError
from audiossl.files import read_json, read_jsonl, whole_folder, write_json, write_jsonl
from audiossl.pipelines.tokenise import Encoded, QuantiserConfig, encode_corpus, fit_to_corpus, measure_tokens, read_segments
from audiossl.report.token_quality import write_quality_page
from audiossl.signals.corpus import Corpus, Item, build_corpus
from audiossl.signals.opening import open_corpus
from audiossl.signals.shar import is_shar
from audiossl.teachers.teacher import Teacher, TeacherConfig, load_teacher, parse_teacher, teacher_digest
from audiossl.tokens.contract import Quantizer
from audiossl.tokens.factory import load_quantiser
from audiossl.tokens.quality import TokenQuality

TEACHER_FILE, FITTED_FILE, QUANTISER_FOLDER = "teacher.json", "fitted_to.json", "quantiser"


def fit_tokeniser(
    paths: Sequence[Path],
    out: Path,
    teacher: str = "hama",
    layer: int | None = None,
    quantiser: QuantiserConfig | None = None,
    normalise: bool = True,
    seed: int = 1,
    device: str = "cpu",
) -> Quantizer:
    """Fit a quantiser to a teacher's frames of recordings and write the tokeniser folder `out`, which appears whole.

    Args:
        paths: audio files and folders, or one corpus folder, or one lhotse manifest of cuts.
        out: folder of the tokeniser.
        teacher: a name as in `audiossl.load` (`audiossl.encoder_names`), such as hama, hf:NAME[:LAYER] or a run folder.
        layer: to read the teacher at; its last if None.
        quantiser: kind, sizes and number of frames.
        normalise: bring each channel to zero mean and unit variance first.
        seed: of the draw of recordings and of training.
        device: of the teacher.
    """
    config = parse_teacher(teacher, layer, normalise)
    model = load_teacher(config, torch.device(device))
    with open_recordings(paths) as (corpus, rejected), whole_folder(out) as partial:
        fitted, ids = fit_to_corpus(model, corpus, quantiser or QuantiserConfig(), normalise, seed)
        fitted.save(partial / QUANTISER_FOLDER)
        write_json(partial / TEACHER_FILE, {**asdict(config), **({"digest": model.digest} if model.digest else {})})
        write_json(partial / FITTED_FILE, ids)
        write_jsonl(partial / "rejected.jsonl", rejected)
    return fitted


def encode_recordings(
    paths: Sequence[Path],
    tokeniser: Path,
    out: Path,
    quality: str = "default",
    device: str = "cpu",
    engine: Engine = "local",
    num_workers: int | None = None,
) -> Encoded:
    """Tokenise recordings into the store `out`; recordings that it holds are skipped, so the same call resumes a killed one.

    `engine` and `num_workers` are those of `audiossl.engines.map_groups`.
    """
    teacher, quantiser, _ = open_tokeniser(tokeniser, device)
    with open_recordings(paths) as (corpus, rejected):
        sources = {item.id: item.path for item in corpus.items}
        return encode_corpus(teacher, quantiser, corpus, out, quality, True, engine, num_workers, sources, rejected)


def report_tokens(
    paths: Sequence[Path],
    tokeniser: Path,
    out: Path,
    labels: Path | None = None,
    quality: str = "default",
    num_frames: int = 20_000,
    device: str = "cpu",
) -> TokenQuality:
    """Measure the tokens of recordings and write `tokens.json` and `tokens.html` into `out`.

    Args:
        paths: as in `fit_tokeniser`; recordings that the quantiser was not fitted to are preferred.
        tokeniser: folder written by `fit_tokeniser`.
        out: folder of the report.
        labels: JSON lines of labelled segments by recording id.
        quality: search to measure.
        num_frames: about how many frames to measure on.
        device: of the teacher.
    """
    teacher, quantiser, fitted_to = open_tokeniser(tokeniser, device)
    named = (labels.stem, read_segments(labels)) if labels else None
    with open_recordings(paths) as (corpus, _):
        measured = measure_tokens(teacher, quantiser, corpus, fitted_to, named, quality, num_frames)
    write_json(out / "tokens.json", measured.to_json())
    write_quality_page(measured.to_json(), out / "tokens.html")
    return measured


def open_tokeniser(folder: Path, device: str = "cpu") -> tuple[Teacher, Quantizer, list[str]]:
    """Load teacher, quantiser and the ids of the recordings that it was fitted to.

    Raises:
        StoreError: if the folder is no whole tokeniser, or its teacher has other weights than it was fitted to.
    """
    try:
        about = dict(read_json(folder / TEACHER_FILE))
        digest = about.pop("digest", "")  # older tokenisers have none
        config = TeacherConfig(**about)
        fitted_to = list(read_json(folder / FITTED_FILE))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"{folder} is no whole tokeniser ({error}); make one with audiossl tokens fit RECORDINGS --out {folder}"
        ) from error
    if digest and (now := teacher_digest(config)) and now != digest:
        raise StoreError(
            f"the teacher {config.name} has not the weights that the tokeniser {folder} was fitted to (digest {now[:12]}, not "
            f"{digest[:12]}): bring them back, or fit again with audiossl tokens fit RECORDINGS --out {folder}"
        )
    return load_teacher(config, torch.device(device)), load_quantiser(folder / QUANTISER_FOLDER), fitted_to


@contextmanager
def open_recordings(paths: Sequence[Path]) -> Iterator[tuple[Corpus, list[dict[str, str]]]]:
    """Open audio files and folders, a corpus folder, a lhotse manifest or shards as a corpus; yields it and what was rejected.

    Files are decoded once to check them; nothing is written beside them.

    Raises:
        ConfigError: if a path does not exist or holds no audio.
        DataError: if no recording can be used.
    """
    if len(paths) == 1 and (paths[0] / "corpus.json").is_file():
        yield Corpus.open(paths[0]), []
    elif len(paths) == 1 and (paths[0].name.endswith((".jsonl", ".jsonl.gz")) or is_shar(paths[0])):
        yield open_corpus(paths[0]), []
    elif any((path / "corpus.json").is_file() for path in paths):
        raise ConfigError("give one corpus folder, or audio files and folders, not both")
    else:
        files, taken = name_items(paths)
        temporary = Path(tempfile.mkdtemp(prefix="audiossl-"))
        try:
            build_corpus((Item(id_, path) for id_, path in files.items()), temporary / "corpus", transcode=False)
            rejected = taken + read_jsonl(temporary / "corpus" / "rejected.jsonl")
            yield Corpus.open(temporary / "corpus"), [{key: row[key] for key in ("id", "path", "reason")} for row in rejected]
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
