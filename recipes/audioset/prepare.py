"""AudioSet (research.google.com/audioset, labels CC BY 4.0): 10-second clips of videos, each with some of 527 tags."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.files import write_json, write_jsonl
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus

SEGMENTS = {"balanced_train": "balanced_train_segments.csv", "eval": "eval_segments.csv"}
CLASSES = "class_labels_indices.csv"
AUDIO = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".webm", ".mp4")


@dataclass(frozen=True)
class Segment:
    """A line of the official lists."""

    part: str
    video: str
    start: str
    tags: list[str]

    @property
    def id(self) -> str:
        """Name of the item."""
        return f"{self.part}/{self.video}"


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Build the balanced training clips and the evaluation clips; `limit` is per part.

    `data_root` holds the three official CSV files and a folder `wav` with a file a clip, below any subfolders, whose name is the
    video's (`--PJHxphWEs.wav`), perhaps with a Y before it or the start behind it (`--PJHxphWEs_30.000.wav`). Many videos are
    gone: clips without a file are counted, and listed in `missing.jsonl` beside the corpus.

    Raises:
        ConfigError: if a CSV file is not there.
        DataError: if a part has no clip at all.
    """
    files = {path.stem: path for path in sorted((_root(data_root) / "wav").rglob("*")) if path.suffix.lower() in AUDIO}
    items, missing = [], []
    for part in SEGMENTS:
        segments = list(_segments(data_root, part))[:limit]
        paths = {segment.id: _find(files, segment) for segment in segments}
        if not any(paths.values()):
            raise DataError(f"none of the {len(segments)} clips of {part} lies below {_root(data_root) / 'wav'}.")
        missing += [{"id": id_} for id_, path in paths.items() if path is None]
        items += [Item(id_, path, custom={"part": part}) for id_, path in paths.items() if path is not None]
    if missing:
        console.print(f"[yellow]{len(missing)} of {len(missing) + len(items)} clips have no file, see missing.jsonl[/yellow]")
    build_corpus(items, out)
    write_jsonl(out.with_name("missing.jsonl"), missing)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """Write the tags of every clip of the corpus, and the names of all tags in their official order."""
    with (_root(data_root) / CLASSES).open(encoding="utf-8", newline="") as file:
        names = {row["mid"]: row["display_name"] for row in csv.DictReader(file)}
    ids = {item.id for item in corpus.items}
    segments = [segment for part in SEGMENTS for segment in _segments(data_root, part) if segment.id in ids]
    unknown = sorted({mid for segment in segments for mid in segment.tags} - names.keys())
    if unknown:
        raise DataError(f"{len(unknown)} tags, such as {unknown[0]}, are not in {CLASSES}; take the lists of one release.")
    write_json(out / "classes.json", list(names.values()))
    write_jsonl(out / "labels.jsonl", [{"id": segment.id, "tags": [names[mid] for mid in segment.tags]} for segment in segments])


def _root(data_root: Path | None) -> Path:
    root = data_root or Path()
    for name in (*SEGMENTS.values(), CLASSES):
        if not (root / name).is_file():
            raise ConfigError(f"expected {name} and a folder wav in data_root={data_root}; see recipes/audioset/README.md")
    return root


def _segments(data_root: Path | None, part: str) -> Iterator[Segment]:
    """Lines `--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"`; comments start with #."""
    with (_root(data_root) / SEGMENTS[part]).open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#") and line.strip())
        for video, start, _, tags in csv.reader(lines, skipinitialspace=True):
            yield Segment(part, video, start, tags.split(","))


def _find(files: dict[str, Path], segment: Segment) -> Path | None:
    starts = (segment.start, str(int(float(segment.start))), str(round(float(segment.start) * 1000)))
    names = [segment.video, *(f"{segment.video}_{start}" for start in starts)]
    return next((files[name] for stem in names for name in (stem, f"Y{stem}") if name in files), None)
