"""What `audiossl tokens` does: fit, encode and report over folders, for any teacher and any recordings.

A tokeniser is a folder: `teacher.json` says the model and the layer that is read (with the digest of weights in a local folder,
which may be trained anew), `quantiser/` holds the codebooks, `fitted_to.json` the ids of the recordings that they were
fitted to, and `fitted_to_files.jsonl` their files with stamps, by which they are known under any other name.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from audiossl.embedding.rejected import REJECTED
from audiossl.encoder_names import refuse_place
from audiossl.engines import Engine
from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_json, read_jsonl, whole_folder, write_json, write_jsonl
from audiossl.options import read_options
from audiossl.pipelines.tokenise.corpus import (
    Encoded,
    QuantiserConfig,
    encode_corpus,
    fit_to_corpus,
    measure_tokens,
    read_segments,
)
from audiossl.pipelines.tokenise.fitted_to import fitted_row, read_fitted, seen_among
from audiossl.report.token_quality import write_quality_page
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.corpora.finding import Row
from audiossl.signals.corpora.places import Place, gather_places
from audiossl.signals.corpora.recordings import Recording
from audiossl.teachers.teacher import Teacher, TeacherConfig, load_teacher, parse_teacher, teacher_digest
from audiossl.tokens.contract import Quantizer
from audiossl.tokens.factory import load_quantiser
from audiossl.tokens.quality import TokenQuality

TEACHER_FILE, QUANTISER_FOLDER = "teacher.json", "quantiser"
FITTED_FILE, FITTED_FILES = "fitted_to.json", "fitted_to_files.jsonl"


def fit_tokeniser(
    paths: Place | Sequence[Place],
    out: Path,
    teacher: str = "hama",
    layer: int | None = None,
    quantiser: QuantiserConfig | None = None,
    *,
    normalise: bool = True,
    seed: int = 1,
    device: str = "cpu",
    table: str | Path | None = None,
    where: str | None = None,
) -> Quantizer:
    """Fit a quantiser to a teacher's frames of recordings and write the tokeniser folder `out`, which appears whole.

    Args:
        paths: audio files, folders, corpus folders, lhotse manifests and shards, tables of clips, as
            `audiossl.signals.corpora.recordings.gather` takes them, and corpora.
        out: folder of the tokeniser.
        teacher: a name as in `audiossl.load` (`audiossl.encoder_names`), such as hama, hf:NAME[:LAYER] or a run folder.
        layer: layer at which the teacher is read; its last if None.
        quantiser: kind, sizes and number of frames.
        normalise: bring each channel to zero mean and unit variance first.
        seed: seed of the draw of recordings and of training.
        device: device of the teacher.
        table, where: arguments as `audiossl.signals.corpora.places.gather_places` takes them.
    """
    config = parse_teacher(teacher, layer, normalise)
    model = load_teacher(config, usable_device(device))
    with open_recordings(paths, rate_of(model), table, where) as opened:
        return write_tokeniser(opened, config, model, out, quantiser or QuantiserConfig(), seed)


def write_tokeniser(
    opened: OpenedRecordings, config: TeacherConfig, model: Teacher, out: Path, quantiser: QuantiserConfig, seed: int
) -> Quantizer:
    """Fit a quantiser to a loaded teacher's frames of opened recordings and write the tokeniser folder."""
    with whole_folder(out) as partial:
        fitted, ids = fit_to_corpus(model, opened.usable(), quantiser, config.normalise, seed)
        fitted.save(partial / QUANTISER_FOLDER)
        write_json(partial / TEACHER_FILE, {**asdict(config), **({"digest": model.digest} if model.digest else {})})
        write_json(partial / FITTED_FILE, ids)
        write_jsonl(partial / FITTED_FILES, [fitted_row(opened.recordings[id_]) for id_ in ids])
        write_jsonl(partial / REJECTED, opened.rejected)
    return fitted


def encode_recordings(
    paths: Place | Sequence[Place],
    tokeniser: Path,
    out: Path,
    quality: str = "default",
    device: str = "cpu",
    *,
    engine: Engine = "local",
    num_workers: int | None = None,
    table: str | Path | None = None,
    where: str | None = None,
    trust_code: bool | str = False,
) -> Encoded:
    """Tokenise recordings into the store `out`; recordings that it holds are skipped, so the same call resumes a killed one.

    `engine` and `num_workers` are those of `audiossl.engines.map_groups`, `table` and `where` those of
    `audiossl.signals.corpora.places.gather_places`, `trust_code` that of `open_tokeniser`.
    """
    teacher, quantiser, _ = open_tokeniser(tokeniser, device, trust_code=trust_code)
    with open_recordings(paths, rate_of(teacher), table, where) as opened:
        how = out, quality, True, engine, num_workers
        return encode_corpus(teacher, quantiser, opened.corpus, *how, opened.recordings, opened.rejected)


def report_tokens(
    paths: Sequence[Path],
    tokeniser: Path,
    out: Path,
    labels: Path | None = None,
    quality: str = "default",
    num_frames: int = 20_000,
    device: str = "cpu",
    *,
    trust_code: bool = False,
) -> TokenQuality:
    """Measure the tokens of recordings and write `tokens.json` and `tokens.html` into `out`.

    Args:
        paths: recordings as in `fit_tokeniser`; recordings that the quantiser was not fitted to are preferred.
        tokeniser: folder written by `fit_tokeniser`.
        out: folder of the report.
        labels: JSON lines of labelled segments by recording id.
        quality: search to measure.
        num_frames: about how many frames to measure on.
        device: device of the teacher.
        trust_code: consent as in `open_tokeniser`.
    """
    if num_frames < 1:
        raise ConfigError(f"expected at least one frame to measure on, got {num_frames}")
    teacher, quantiser, ids = open_tokeniser(tokeniser, device, trust_code=trust_code)
    named = (labels.stem, read_segments(labels)) if labels else None
    with open_recordings(paths, rate_of(teacher)) as opened:
        fitted_to = sorted(seen_among(opened.recordings.values(), ids, read_fitted(tokeniser / FITTED_FILES)))
        measured = measure_tokens(teacher, quantiser, opened.usable(), fitted_to, named, quality, num_frames)
    write_json(out / "tokens.json", measured.to_json())
    write_quality_page(measured.to_json(), out / "tokens.html")
    return measured


def usable_device(device: str) -> torch.device:
    """The device, if it can be used.

    Raises:
        ConfigError: if it cannot.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot use the device {device}: {str(error).splitlines()[0]}") from error


def open_tokeniser(
    folder: Path, device: str = "cpu", *, trust_code: bool | str = False, trust_quantiser: bool | str = False
) -> tuple[Teacher, Quantizer, list[str]]:
    """Load teacher, quantiser and the ids of the recordings that it was fitted to.

    Args:
        folder: written by `fit_tokeniser`.
        device: device of the teacher.
        trust_code: import the classes from outside the package that the folder names.
        trust_quantiser: import that of its quantiser alone.

    Raises:
        StoreError: if the folder is no whole tokeniser, or its teacher has other weights than it was fitted to.
        ConfigError: if it names a class that is not trusted.
    """
    try:
        about = dict(read_json(folder / TEACHER_FILE))
        digest = about.pop("digest", "")  # older tokenisers have none
        config = read_options(TeacherConfig, about, str(folder / TEACHER_FILE))
        fitted_to = list(read_json(folder / FITTED_FILE))
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise StoreError(
            f"{folder} is no whole tokeniser ({error}); make one with audiossl tokens fit RECORDINGS --out {folder}"
        ) from error
    refuse_place(config.encoder, folder / TEACHER_FILE, trust_code)
    if digest and (now := teacher_digest(config)) and now != digest:
        raise StoreError(
            f"the teacher {config.name} has not the weights that the tokeniser {folder} was fitted to (digest {now[:12]}, not "
            f"{digest[:12]}): bring them back, or fit again with audiossl tokens fit RECORDINGS --out {folder}"
        )
    return (
        load_teacher(config, usable_device(device)),
        load_quantiser(folder / QUANTISER_FOLDER, trust_code=trust_code or trust_quantiser),
        fitted_to,
    )


def rate_of(teacher: Teacher) -> int:
    """Hz at which a teacher reads recordings.

    Raises:
        ConfigError: if it is no model of audio.
    """
    if not teacher.embedder.takes.is_audio:
        raise ConfigError(f"the teacher {teacher.description} takes {teacher.embedder.takes}, no recordings of audio")
    return round(teacher.embedder.sample_rate)


@dataclass(frozen=True)
class OpenedRecordings:
    """Recordings as a corpus, each with its file, and what could not be used."""

    corpus: Corpus
    recordings: Mapping[str, Recording]
    rejected: list[Row]

    def usable(self) -> Corpus:
        """The corpus.

        Raises:
            DataError: if no recording can be used; the message has the first reason.
        """
        if not self.corpus.items:
            first = f"{self.rejected[0]['id']}: {self.rejected[0]['reason']}" if self.rejected else "there is none"
            raise DataError(f"none of {len(self.rejected)} recordings can be used; the first is {first}")
        return self.corpus


@contextmanager
def open_recordings(
    paths: Place | Sequence[Place],
    sample_rate: int = 16_000,
    table: str | Path | None = None,
    where: str | None = None,
) -> Iterator[OpenedRecordings]:
    """Open whatever `audiossl.signals.corpora.places.gather_places` takes as one corpus, read at `sample_rate`.

    Files are decoded once to check them; nothing is written next to them.

    Raises:
        ConfigError: if a path does not exist or holds no audio.
        DataError: if a manifest or table cannot be read.
    """
    gathered = gather_places(paths, sample_rate, table, where)
    files = [Item(id_, one.path) for id_, one in gathered.by_id.items() if one.item is None]
    items = {id_: one.item for id_, one in gathered.by_id.items() if one.item is not None}
    rejected = list(gathered.rejected)
    temporary = Path(tempfile.mkdtemp(prefix="audiossl-"))
    place = temporary / "corpus"
    try:
        if files:
            try:
                build_corpus(files, place, sample_rate, transcode=False)
                items |= {item.id: item for item in Corpus.open(place).items}
            except DataError:  # not one of them is accepted; the reasons are in what is left of the build
                place = place.with_name(f".{place.name}.partial")
            messages = read_jsonl(place / REJECTED)
            rejected += [{"id": row["id"], "path": row["path"], "reason": row["message"]} for row in messages]
        usable = {id_: one for id_, one in gathered.by_id.items() if id_ in items}
        yield OpenedRecordings(Corpus([items[id_] for id_ in usable], sample_rate, None, temporary), usable, rejected)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
