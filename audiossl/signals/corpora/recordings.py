"""What commands take as recordings: files, folders, corpus folders, lhotse manifests and shards, and tables of clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError, DataError
from audiossl.files import path_text
from audiossl.signals.audio import probe, resampled_length
from audiossl.signals.corpora.building import SUMMARY
from audiossl.signals.corpora.clip_tables import Clip, is_clip_table, read_clips
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.cut_lines import from_line, read_lines
from audiossl.signals.corpora.finding import Row, find_matches, has_wildcards, name_files
from audiossl.signals.corpora.hugging_face_data import is_hub_name, is_hugging_face, unpack_data_set
from audiossl.signals.corpora.item_fields import item_fields
from audiossl.signals.corpora.kaldi import is_kaldi, read_kaldi
from audiossl.signals.corpora.lhotse_cuts import with_paths
from audiossl.signals.corpora.manifest import CorpusItem, CutError, known_of, report_cut_texts
from audiossl.signals.corpora.shar import is_shar
from audiossl.signals.corpora.stored import open_stored
from audiossl.signals.fetching.storage import is_remote, location
from audiossl.where_values import Plain

MANIFESTS = tuple(f".{kind}{packed}" for kind in ("jsonl", "json", "yaml") for packed in ("", ".gz"))
PAST_THE_END = 0.1  # seconds by which a clip may end behind its file: times in tables are rounded


@dataclass(frozen=True)
class Recording:
    """A whole file, or an item of a corpus, manifest or table: a part of a file, some of its channels, a part of a tar.

    Attributes:
        columns: what is known of it: the columns of its row, or text, speaker, language and custom fields of its item.
    """

    id: str
    path: Path
    item: CorpusItem | None = None
    columns: Mapping[str, Plain] = field(default_factory=dict, hash=False)

    @classmethod
    def of_item(cls, item: CorpusItem) -> Recording:
        """A recording of an item, with what is known of that."""
        return cls(item.id, item.path, item, dict(known_of(item)))


@dataclass
class Recordings:
    """Recordings by id, at the rate that their items are read at, and what could not be taken, for `rejected.jsonl`."""

    sample_rate: int
    by_id: dict[str, Recording] = field(default_factory=dict)
    rejected: list[Row] = field(default_factory=list)

    def add(self, recordings: Iterable[Recording]) -> None:
        """Add recordings; the same one twice counts once, another one under a name that is taken is rejected."""
        for recording in recordings:
            first = self.by_id.setdefault(recording.id, recording)
            if first is not recording and not _is_same(first, recording):
                reason = (
                    f"duplicate id: {first.path} has the same folder and name. Embed their common parent folder instead"
                    if recording.item is None
                    else f"duplicate id: another recording, of {first.path}, has it. Give each an id of its own"
                )
                self.rejected.append({"id": recording.id, "path": path_text(recording.path), "reason": reason})


def gather(paths: Sequence[Path], sample_rate: int = 16_000) -> Recordings:
    """Gather the recordings at paths, in the order of their ids.

    Args:
        paths: audio files; folders, which are searched; corpus folders; folders of lhotse Shar shards; lhotse manifests of cuts
            or recordings; tables of clips; Kaldi data folders; Hugging Face data sets, saved to disk, in Parquet or on the hub
            (`hf:OWNER/NAME`); patterns such as `calls/**/*.wav`. A file of another kind is taken for audio.
        sample_rate: rate at which items are to be read, in Hz.

    Raises:
        ConfigError: if there is nothing at a path, or no recording in a folder.
        DataError: if a manifest, table or shard cannot be read.
        StoreError: if a corpus folder is damaged.
    """
    gathered = Recordings(sample_rate)
    for path in paths:
        _add(gathered, path)
    gathered.by_id = dict(sorted(gathered.by_id.items()))
    return gathered


def _add(gathered: Recordings, path: Path) -> None:
    """Add what is at one path."""
    if is_hub_name(str(path)):
        _add_clips(gathered, *read_clips(unpack_data_set(str(path))))
        return
    remote = is_remote(location(path))
    if not remote and not path.exists():
        if not has_wildcards(path):
            raise ConfigError(f"expected a file or folder, found nothing at {path}")
        _add_matches(gathered, path)
    elif not remote and is_hugging_face(path):
        _add_clips(gathered, *read_clips(unpack_data_set(path)))
    elif not remote and is_clip_table(path):
        _add_clips(gathered, *read_clips(path))
    elif not remote and is_kaldi(path):
        _add_clips(gathered, *read_kaldi(path))
    elif remote or is_corpus(path):
        _add_items(gathered, path, remote)
    else:
        named, rejected = name_files(path)
        gathered.add(Recording(id_, file) for id_, file in named.items())
        gathered.rejected += rejected


def _add_matches(gathered: Recordings, pattern: Path) -> None:
    """Add what a pattern matches: files of sound named after the folder in front of its wildcards, all else as it is."""
    base, matches = find_matches(pattern)
    if not matches:
        raise ConfigError(f"expected files, found none that match {pattern}")
    others = [path for path in matches if path.is_dir() or is_clip_table(path) or is_corpus(path)]
    for path in others:
        _add(gathered, path)
    named, rejected = name_files(base, [path for path in matches if path not in set(others)])
    gathered.add(Recording(id_, file) for id_, file in named.items())
    gathered.rejected += rejected


def _add_items(gathered: Recordings, path: Path, remote: bool) -> None:
    """Add the items of a corpus folder, of shards or of a lhotse manifest."""
    unusable: list[tuple[str, str]] = []
    sample_rate = gathered.sample_rate
    if remote or path.is_dir():
        corpus = open_stored(path, sample_rate)
    else:
        corpus = (
            _of_lines(path, sample_rate, unusable)
            or _of_recordings(path, sample_rate, unusable)
            or Corpus.from_cuts(path, sample_rate, unusable)
        )
    gathered.rejected += [{"id": id_, "path": path_text(path), "reason": reason} for id_, reason in unusable]
    gathered.add(recordings_of(corpus, sample_rate))


def recordings_of(corpus: Corpus, sample_rate: int) -> Iterator[Recording]:
    """The items of a corpus as recordings, with their length at another rate."""
    return (Recording.of_item(_at_rate(item, corpus.sample_rate, sample_rate)) for item in corpus.items)


def is_corpus(path: Path) -> bool:
    """Whether a path is a corpus folder, a folder of shards or a manifest of lhotse."""
    if path.is_dir():
        return (path / SUMMARY).is_file() or is_shar(path)
    return path.name.lower().endswith(MANIFESTS)


def _is_same(first: Recording, second: Recording) -> bool:
    return first.item == second.item and first.path.resolve() == second.path.resolve()


def _of_lines(path: Path, sample_rate: int, unusable: list[tuple[str, str]]) -> Corpus | None:
    """JSON lines of cuts or recordings as a corpus, each line by itself; None if they are no such file, or none can be used."""
    if ".jsonl" not in path.name.lower():
        return None
    items: list[CorpusItem] = []
    failed: list[tuple[str, str]] = []
    for line in read_lines(path):
        try:
            items.append(from_line(with_paths(line, path.parent), Path(), sample_rate))
        except CutError as error:
            failed.append((str(line.get("id", "?")), str(error)))
    if not items:
        return None
    unusable += failed
    report_cut_texts(items, str(path))
    return Corpus(items, sample_rate, path, path.parent)


def _of_recordings(path: Path, sample_rate: int, unusable: list[tuple[str, str]]) -> Corpus | None:
    """A lhotse manifest of recordings as a corpus of whole recordings; None if it is of another kind."""
    from lhotse import CutSet, RecordingSet, load_manifest

    try:
        manifest: Any = load_manifest(path)
    except Exception:  # `Corpus.from_cuts` says what is wrong with it
        return None
    if not isinstance(manifest, RecordingSet):
        return None
    cuts = []
    for recording in list(manifest):
        source = Path(recording.sources[0].source)
        if recording.sources[0].type == "file" and not source.is_absolute() and (path.parent / source).exists():
            recording = recording.with_path_prefix(path.parent.absolute())
        cuts.append(recording.to_cut())
    return Corpus.from_cuts(CutSet.from_cuts(cuts), sample_rate, unusable)


def _at_rate(item: CorpusItem, from_rate: int, to_rate: int) -> CorpusItem:
    """The item with its length at another rate; a corpus folder has a rate of its own."""
    if from_rate == to_rate:
        return item
    return replace(item, num_samples=max(1, resampled_length(item.num_samples, from_rate, to_rate)))


def _add_clips(gathered: Recordings, clips: Iterable[Clip], rejected: Iterable[Row]) -> None:
    gathered.rejected += rejected
    lengths: dict[Path, float] = {}
    for clip in clips:
        try:
            one = Recording(clip.id, clip.path, None, clip.columns)
            span = clip.start, clip.end
            one = one if clip.is_whole else part_of_recording(one, clip.id, span, clip.columns, lengths, gathered.sample_rate)
            gathered.add([one])
        except DataError as error:
            gathered.rejected.append({"id": clip.id, "path": path_text(clip.path), "reason": str(error)})


def part_of_recording(
    whole: Recording,
    id_: str,
    span: tuple[float, float | None],
    columns: Mapping[str, Plain],
    lengths: dict[Path, float],
    sample_rate: int,
) -> Recording:
    """A part of a recording.

    Args:
        whole: the recording.
        id_: id of the part.
        span: seconds of the recording; an end of None is that of the recording.
        columns: what is known of the part.
        lengths: lengths of files that were looked at, in seconds; others are added.
        sample_rate: sample rate at which items are read, in Hz.

    Raises:
        DataError: if the part is not in the recording, or its file cannot be read.
    """
    item = whole.item
    if item is None and whole.path not in lengths:
        lengths[whole.path] = probe(whole.path).duration
    length = lengths[whole.path] if item is None else item.duration
    start, end = span[0], length if span[1] is None else span[1]
    if start >= length or end > length + PAST_THE_END:
        raise DataError(f"{whole.path}: the part from {start:g} to {end:g} s is wanted, the recording lasts {length:.2f} s")
    duration = min(end, length) - start
    size = max(1, round(duration * sample_rate))
    said = item_fields(columns, str(whole.path) if item is None else item.recording)
    if item is None:
        return Recording(id_, whole.path, CorpusItem(id_, whole.path, start, duration, size, **said), columns)
    part = replace(item, id=id_, start=item.start + start, duration=duration, num_samples=size, same_as=None, heard=None, **said)
    return Recording(id_, whole.path, part, columns)
