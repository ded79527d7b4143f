"""From recordings to tokens: fit a quantiser to a teacher's frames, encode recordings, measure the tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track
from torch import Tensor

from audiossl.embedding.extract import STILL_HELD, taken_id
from audiossl.embedding.rejected import REJECTED, earlier_rejections
from audiossl.engines import Engine, Row, map_groups
from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.frame_task import Segment, ordered, segment_at
from audiossl.files import path_text, read_jsonl, write_jsonl
from audiossl.recipe import console
from audiossl.seeds import derive_generator, derive_seed
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.signals.corpora.origins import Origin, compare
from audiossl.signals.corpora.recordings import Recording
from audiossl.teachers.teacher import Teacher
from audiossl.tokens.contract import Quantizer
from audiossl.tokens.factory import QuantiserConfig, fit_quantiser
from audiossl.tokens.quality import TokenQuality, measure_quality
from audiossl.tokens.store_writer import TokenWriter

GROUP = 64  # recordings encoded by the teacher at once
MEASURED_FRAMES = 20_000
LEAST_HELD_OUT = 0.1  # of the frames wanted; fewer, such as those of one silent file, say nothing of the others

Labels = Mapping[str, Sequence[Segment]]


@dataclass
class Encoded:
    """What `encode_corpus` did: recordings written now, there before, and rejected ones with their reason.

    `num_renewed` of those written took the place of tokens of the same name whose file has changed since.
    """

    num_written: int = 0
    num_renewed: int = 0
    num_present: int = 0
    num_frames: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)


def draw_items(corpus: Corpus, seconds: float, seed: int, purpose: str) -> list[CorpusItem]:
    """Recordings in random order until they last so many seconds together."""
    chosen, total = [], 0.0
    for index in torch.randperm(len(corpus), generator=derive_generator(seed, purpose)).tolist():
        if total >= seconds:
            break
        chosen.append(corpus.items[index])
        total += corpus.items[index].num_samples / corpus.sample_rate
    return chosen


def check_rate(teacher: Teacher, corpus: Corpus) -> None:
    """Refuse a corpus read at another rate than the teacher's: its frames would be numbers without a meaning.

    Raises:
        ConfigError: if the rates differ.
    """
    if corpus.sample_rate != teacher.embedder.sample_rate:
        raise ConfigError(
            f"the teacher {teacher.description} takes {teacher.embedder.takes}, the corpus is read at {corpus.sample_rate} Hz: "
            "build it at the teacher's rate, or take another teacher"
        )


def fit_to_corpus(
    teacher: Teacher, corpus: Corpus, config: QuantiserConfig, normalise: bool = True, seed: int = 1
) -> tuple[Quantizer, list[str]]:
    """Fit a quantiser to the teacher's frames of randomly drawn recordings.

    Returns:
        The quantiser, and the ids of the recordings that it was fitted to.

    Raises:
        DataError: if the recordings hold too few frames, or broken ones.
    """
    check_rate(teacher, corpus)
    chosen = draw_items(corpus, config.fit_frames / teacher.frame_rate, seed, "quantiser")
    # Recordings come back sorted by length; their frames are laid in the order that was drawn.
    by_item = _frames_by_item(teacher, corpus, chosen, "teacher")
    frames = torch.cat([by_item[item.id] for item in chosen if item.id in by_item])
    quantiser = fit_quantiser(
        frames,
        config.kind,
        config.num_codebooks,
        config.codebook_size,
        normalise=normalise,
        seed=derive_seed(seed, "quantiser"),
        **config.options,
    )
    return quantiser, [item.id for item in chosen]


def encode_corpus(
    teacher: Teacher,
    quantiser: Quantizer,
    corpus: Corpus,
    out: Path,
    quality: str = "default",
    append: bool = False,
    engine: Engine = "local",
    num_workers: int | None = None,
    recordings: Mapping[str, Recording] | None = None,
    rejected: Sequence[dict[str, str]] = (),
) -> Encoded:
    """Tokenise every recording of a corpus into the store at `out`.

    Args:
        teacher: teacher whose frames are quantised.
        quantiser: quantiser fitted to that teacher.
        corpus: recordings to encode.
        out: folder of the store; `rejected.jsonl` in it lists what could not be read, by this call or those before it.
        quality: quality of the search.
        append: whether to continue the store that is there; recordings that it holds are skipped. Otherwise it is replaced.
        engine: `ray` has the recordings encoded by workers of Ray Data (extra `ray`); the store gets the same bytes.
        num_workers: number of processes to work in; 1 by default, with ray one for each CPU of its cluster.
        recordings: the items of the corpus with their files, by id. These are stamped, and kept in the store: a recording whose
            file has changed is tokenised anew, and an id that the store holds of another file is rejected.
        rejected: rows about recordings that did not come into the corpus.

    Raises:
        StoreError: if `append` meets a store of another quantiser, teacher or quality, or another writer, or codes of another
            search that it would have to add to.
    """
    check_rate(teacher, corpus)
    done = Encoded(rejected=list(rejected))
    with TokenWriter(
        out,
        quantiser_id=quantiser.id,
        teacher=teacher.description,
        teacher_digest=teacher.digest,
        quality=quality,
        search=quantiser.search_name(quantiser.num_codebooks, quality),
        frame_rate=teacher.frame_rate,
        num_codebooks=quantiser.num_codebooks,
        codebook_size=quantiser.codebook_size,
        append=append,
    ) as writer:
        held = {id_: origin for id_, origin in writer.origins.items() if recordings and id_ in recordings}
        checked = compare((recordings[id_] for id_ in held) if recordings else (), held)
        changed = set(checked.changed)
        todo = [item for item in corpus.items if item.id not in writer or item.id in changed]
        for id_ in checked.elsewhere:
            path = recordings[id_].path if recordings else Path()
            done.rejected.append({"id": id_, "path": path_text(path), "reason": taken_id(held[id_].path, path)})
        done.num_present = len(corpus) - len(todo) - len(checked.elsewhere)
        if todo:
            writer.check_search()
        groups = [[item.id for item in group] for group in _groups(todo)]
        work = _EncodeGroup(teacher, quantiser, corpus, quality, recordings)
        rows = map_groups(work, groups, engine, num_workers, 1.0 if teacher.embedder.device.type == "cuda" else 0.0)
        for row in track(rows, "tokens", total=len(todo), console=console, disable=not console.is_terminal):
            source = path_text(recordings[row["id"]].path) if recordings else ""
            old = held.get(row["id"])
            if row["error"]:
                reason = row["error"] + ("" if old is None else STILL_HELD)
                done.rejected.append({"id": row["id"], **({"path": source} if source else {}), "reason": reason})
                continue
            codes = torch.from_numpy(np.array(row["codes"]))
            origin = Origin.from_row(source, row)
            writer.add(row["id"], codes, origin=origin if old is None else origin.newer(old))
            done.num_written, done.num_frames = done.num_written + 1, done.num_frames + len(codes)
            done.num_renewed += old is not None
    seen = [(item.id, path_text(recordings[item.id].path) if recordings else "") for item in corpus.items]
    seen += [(row["id"], row.get("path", "")) for row in rejected]
    write_jsonl(out / REJECTED, [*earlier_rejections(out, seen), *done.rejected])
    return done


class _EncodeGroup:
    """Tokenises some recordings of a corpus, by id; one that cannot be used yields its error."""

    def __init__(
        self, teacher: Teacher, quantiser: Quantizer, corpus: Corpus, quality: str, recordings: Mapping[str, Recording] | None
    ) -> None:
        self.teacher, self.quantiser, self.quality = teacher, quantiser, quality
        self.corpus, self.items = corpus, {item.id: item for item in corpus.items}
        self.recordings = recordings or {}

    def __call__(self, ids: list[str]) -> Iterator[Row]:
        # Before they are read: what changes in between is tokenised again next time.
        origins = {id_: Origin.of(self.recordings[id_]).to_row() for id_ in ids if id_ in self.recordings}
        unknown = Origin().to_row()
        clips, rejected = read_frames(self.teacher, self.corpus, [self.items[id_] for id_ in ids])
        # Codes do not depend on what is encoded together, and whole blocks are searched faster than short recordings.
        if clips:
            codes = self.quantiser.encode(torch.cat(list(clips.values())), quality=self.quality)
            for id_, own in zip(clips, codes.split([len(clip) for clip in clips.values()]), strict=True):
                yield {"id": id_, "error": "", "codes": own.numpy(), **origins.get(id_, unknown)}
        nothing = torch.zeros(0, 1, dtype=self.quantiser.code_dtype).numpy()
        for id_, reason in rejected.items():
            yield {"id": id_, "error": reason, "codes": nothing, **unknown}


def measure_tokens(
    teacher: Teacher,
    quantiser: Quantizer,
    corpus: Corpus,
    fitted_to: Sequence[str] = (),
    labels: tuple[str, Labels] | None = None,
    quality: str = "default",
    num_frames: int = MEASURED_FRAMES,
    seed: int = 1,
) -> TokenQuality:
    """Measure tokens on recordings that the quantiser was not fitted to, or on any where the others are few.

    Args:
        teacher: teacher whose frames are quantised.
        quantiser: quantiser fitted to that teacher.
        corpus: recordings to draw from; half of the frames come from those with labels, if there are so many.
        fitted_to: ids of the recordings that the quantiser was fitted to.
        labels: a name, and labelled segments by recording id.
        quality: search to measure.
        num_frames: about how many frames to measure on.
        seed: seed of the draw.

    Raises:
        DataError: if no recording can be encoded, all frames are equal, or no label belongs to a recording.
    """
    check_rate(teacher, corpus)
    seconds = num_frames / teacher.frame_rate
    others = corpus.subset({item.id for item in corpus.items} - set(fitted_to))
    held_out = sum(others.durations) >= LEAST_HELD_OUT * min(seconds, sum(corpus.durations))
    pool = others if held_out else corpus
    if labels is not None:
        _check_labelled(corpus, *labels)
    labelled = pool.subset({item.id for item in pool.items} & set(labels[1] if labels else ()))
    # Labels are rare; up to half of the frames come from recordings that have some, the others from any.
    chosen = draw_items(labelled, seconds / 2, seed, "token quality")
    rest = pool.subset({item.id for item in pool.items} - {item.id for item in chosen})
    chosen += draw_items(rest, seconds - sum(item.num_samples for item in chosen) / corpus.sample_rate, seed, "token quality")
    clips = _frames_by_item(teacher, corpus, chosen, "token quality")
    named = None
    if labels is not None:
        name, segments = labels
        named = (
            name,
            [label for id_, clip in clips.items() for label in _frame_labels(segments.get(id_, ()), len(clip), teacher, id_)],
        )
    frames = torch.cat(list(clips.values()))
    return measure_quality(quantiser, frames, teacher.frame_rate, teacher.description, quality, held_out, named, len(clips))


def _check_labelled(corpus: Corpus, name: str, labels: Labels) -> None:
    """Refuse labels of other recordings, which would leave the report without them."""
    if not any(item.id in labels for item in corpus.items):
        some = f"such as '{next(iter(labels))}'" if labels else "none at all"
        raise DataError(
            f"the labels {name} belong to none of the {len(corpus)} recordings: these have ids such as '{corpus.items[0].id}', "
            f"the labels {some}. Give the recordings by the folder that the ids start with, or change the ids of the labels"
        )


def teacher_frames(
    teacher: Teacher, corpus: Corpus, items: Sequence[CorpusItem], title: str, rejected: list[dict[str, str]]
) -> Iterator[dict[str, Float[Tensor, "T D"]]]:
    """Encode recordings with the teacher in groups of similar length, so that little is padded; yields frames by recording id.

    Recordings that cannot be read or give broken frames are added to `rejected` with the reason.
    """
    for group in track(_groups(items), title, console=console, disable=not console.is_terminal):
        clips, failed = read_frames(teacher, corpus, group)
        rejected += [{"id": id_, "reason": reason} for id_, reason in failed.items()]
        if clips:
            yield clips


def read_frames(
    teacher: Teacher, corpus: Corpus, items: Sequence[CorpusItem]
) -> tuple[dict[str, Float[Tensor, "T D"]], dict[str, str]]:
    """Encode a group of recordings with the teacher: frames by id, and the reason for each id that could not be used."""
    signals: dict[str, Tensor] = {}
    failed: dict[str, str] = {}
    for item in items:
        try:
            signals[item.id] = corpus.read(item)
        except DataError as error:
            failed[item.id] = str(error)
    clips = dict(zip(signals, teacher.frames(list(signals.values()), corpus.sample_rate), strict=True))
    for id_ in [id_ for id_, clip in clips.items() if not bool(torch.isfinite(clip).all())]:
        failed[id_] = f"the teacher {teacher.description} gives NaN or infinity for it"
        del clips[id_]
    return clips, failed


def _groups(items: Sequence[CorpusItem]) -> list[list[CorpusItem]]:
    """Recordings of similar length together, so that little is padded."""
    ordered_items = sorted(items, key=lambda item: item.num_samples)
    return [ordered_items[first : first + GROUP] for first in range(0, len(ordered_items), GROUP)]


def read_segments(path: Path) -> dict[str, list[Segment]]:
    """Read labelled segments by recording id: rows `{"id", "segments": [[label, start, end], ...]}`, times in seconds.

    Raises:
        DataError: if the file is missing or its rows are otherwise.
    """
    try:
        rows = read_jsonl(path) if path.exists() else None
        if rows is None:
            raise DataError(f"the labels {path} do not exist")
        return {row["id"]: [Segment(*segment) for segment in row["segments"]] for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no labelled segments ({type(error).__name__}: {error}); expected rows such as "
            '{"id": "a", "segments": [["AH", 0.0, 0.12]]}'
        ) from error


def _frames_by_item(teacher: Teacher, corpus: Corpus, items: Sequence[CorpusItem], title: str) -> dict[str, Tensor]:
    rejected: list[dict[str, str]] = []
    clips: dict[str, Tensor] = {}
    for group in teacher_frames(teacher, corpus, items, title, rejected):
        clips |= group
    for row in rejected:
        console.print(f"[yellow]{row['id']} was left out: {row['reason']}[/yellow]")
    if not clips:
        raise DataError(f"none of {len(items)} recordings could be encoded by the teacher {teacher.description}")
    return clips


def _frame_labels(segments: Sequence[Segment], num_frames: int, teacher: Teacher, id_: str) -> list[str | None]:
    """The label at the centre of each frame, None outside all segments."""
    if not segments:
        return [None] * num_frames
    rate, offset = teacher.embedder.grid([teacher.layer])
    by_start = ordered(segments, id_)
    places = segment_at(by_start, torch.arange(num_frames, dtype=torch.float64) / rate + offset)
    return [by_start[place].label if place >= 0 else None for place in places.tolist()]
