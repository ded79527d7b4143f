"""A corpus on disk, opened for reading; `build_corpus` writes one, and any lhotse manifest can be read as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError, StoreError
from audiossl.files import read_json
from audiossl.signals.audio import AudioError, read_audio
from audiossl.signals.corpora.building import FORMAT, SUMMARY, CorpusSummary, build_corpus
from audiossl.signals.corpora.cut_lines import from_line
from audiossl.signals.corpora.item_columns import ItemColumns
from audiossl.signals.corpora.lhotse_cuts import item_of_cut, read_with_lhotse, with_paths
from audiossl.signals.corpora.manifest import CorpusItem, CutError, Item, known_of, report_cut_texts
from audiossl.signals.corpora.stored_items import CUTS, garbage_kept, read_items
from audiossl.signals.declared_lengths import ROUNDING, PaddedItems, padded, states_whole, tolerance, too_long, too_short
from audiossl.where import parse_where

__all__ = ["Corpus", "CorpusItem", "CorpusSummary", "Item", "build_corpus", "garbage_kept"]


FEW = 256  # number of items below which columns do not pay


class Corpus:
    """Items in the order of their manifest, read as mono float32 at `sample_rate`.

    Items are kept in columns (`audiossl.signals.corpora.item_columns`) and made when they are asked for. `padded` holds the items
    that were found to be shorter than their manifest says, with the missing samples. `sources` are the places, tables and
    conditions (`AudioSource`) that `open_corpus` opened it from; a run can be made from these alone.

    Args:
        items: the items; ids must be unique. A list of a few stays as it is.
        sample_rate: rate at which `read` returns signals, in Hz.
        manifest: the lhotse manifest that the items come from: a path, or a CutSet.
        folder: what relative paths of the manifest start from.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> summary = build_corpus([Item("a", Path("a.wav"), speaker="anna")], "corpus", progress=False)
    >>> corpus = Corpus.open("corpus")
    >>> corpus.items[0].speaker, corpus.read(corpus.items[0]).shape
    ('anna', torch.Size([16000]))
    """

    def __init__(self, items: Sequence[CorpusItem], sample_rate: int, manifest: Any, folder: Path) -> None:
        self.items: Sequence[CorpusItem] = ItemColumns.of(items) if len(items) > FEW else items
        self.sample_rate = sample_rate
        self._manifest, self._folder = manifest, folder
        self.padded = PaddedItems()
        self.sources: tuple[Any, ...] = ()

    @classmethod
    def open(cls, folder: str | Path) -> Corpus:
        """Open a folder written by `build_corpus`.

        Raises:
            StoreError: if it is not a corpus, or an incomplete or newer one.
        """
        folder = Path(folder)
        try:
            summary = read_json(folder / SUMMARY)
            if summary["format"] != FORMAT:
                raise StoreError(
                    f"{folder} is a corpus of format {summary['format']}, this version reads {FORMAT}. Build it anew."
                )
            rate = summary["sample_rate"]
            items = read_items(folder, rate, summary["transcoded"])
        except FileNotFoundError as error:
            raise StoreError(
                f"{folder} is not a corpus: {Path(error.filename).name} is missing. Build it with build_corpus."
            ) from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise StoreError(f"the corpus {folder} is damaged ({type(error).__name__}: {error}). Build it anew.") from error
        if len(items) != summary["num_items"]:
            raise StoreError(f"the corpus {folder} has {len(items)} items of {summary['num_items']}. Build it anew.")
        return cls(items, rate, folder / CUTS, folder)

    @classmethod
    def from_cuts(cls, cuts: Any, sample_rate: int = 16_000, rejected: list[tuple[str, str]] | None = None) -> Corpus:
        """Read any lhotse manifest as a corpus.

        Args:
            cuts: a `lhotse.CutSet` or `RecordingSet`, or the path of one; relative paths in a file start from its folder.
            sample_rate: rate at which signals are read, in Hz.
            rejected: a list to which the id of each cut that cannot be used is added with the reason, in place of an error.

        Raises:
            DataError: if the manifest cannot be read, holds other things than cuts and recordings, or none, two cuts have one
                id, or a cut has no recording or a transform that cannot be applied here.
        """
        from lhotse import CutSet, Recording
        from lhotse.cut import Cut

        manifest, folder = cuts, Path()
        if isinstance(cuts, str | Path):
            folder = Path(cuts).parent
            try:
                cuts = CutSet.from_file(cuts)
                cuts = None if cuts is None else list(cuts)  # a file is read line by line, and fails at a bad one
            except Exception as error:  # lhotse has no error class of its own
                raise DataError(f"{cuts} cannot be read as a lhotse CutSet ({type(error).__name__}: {error}).") from error
        named = manifest if isinstance(manifest, str | Path) else f"the {type(manifest).__name__}"
        entries = [] if cuts is None else list(cuts)  # lhotse reads an empty file as None
        if not entries:
            raise DataError(f"{named} holds no cuts.")
        entries = [entry.to_cut() if isinstance(entry, Recording) else entry for entry in entries]
        if other := next((entry for entry in entries if not isinstance(entry, Cut)), None):
            kind = {"SupervisionSegment": "supervisions"}.get(type(other).__name__, type(other).__name__)
            raise DataError(
                f"{named} holds {kind}, not cuts: make cuts with lhotse, CutSet.from_manifests(recordings=...), and write those."
            )
        items = []
        for cut in entries:
            try:
                items.append(_from_cut(cut, folder, sample_rate, is_stored=manifest is not cuts))
            except CutError as error:
                if rejected is None:
                    raise
                rejected.append((str(cut.id), str(error)))
        report_cut_texts(items, str(named))
        if rejected is None and len({item.id for item in items}) < len(items):
            raise DataError("two cuts of the manifest have the same id. Give them unique ids: cuts.modify_ids(...).")
        return cls(items, sample_rate, manifest, folder)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        """One line: how many items, how long they are together, and the rate that they are read at."""
        return f"Corpus({len(self.items):,} items, {sum(self.durations) / 60:,.1f} min at {self.sample_rate:g} Hz)"

    def __iter__(self) -> Iterator[CorpusItem]:
        return iter(self.items)

    @property
    def folder(self) -> Path:
        """What relative paths of the manifest start from."""
        return self._folder

    @property
    def durations(self) -> list[float]:
        """Seconds of every item at the rate of the corpus."""
        if isinstance(self.items, ItemColumns):
            return (self.items.num_samples / self.sample_rate).tolist()
        return [item.num_samples / self.sample_rate for item in self.items]

    @property
    def ids(self) -> list[str]:
        """Ids of all items."""
        return self.items.ids if isinstance(self.items, ItemColumns) else [item.id for item in self.items]

    def read(self, item: CorpusItem, first: int = 0, num_samples: int | None = None) -> Float[Tensor, "S"]:
        """Read an item, or `num_samples` of it from sample `first` on.

        Raises:
            DataError: if the file has become unreadable, or is shorter or longer than when the corpus was built; where its
                length is that of a manifest, by more than lhotse bears (0.5 s unless it is set). Less is padded or left
                out as lhotse does, and the item is in `padded`.
        """
        wanted = item.num_samples - first if num_samples is None else num_samples
        if first < 0 or wanted <= 0 or first + wanted > item.num_samples:
            raise DataError(f"samples {first} to {first + wanted} of item '{item.id}' are wanted; it has {item.num_samples}.")
        rate = self.sample_rate
        limit = tolerance(item, rate)
        is_all = wanted == item.num_samples
        further = limit + 1 if is_all and states_whole(item) else 0  # a little more, to see whether the file continues
        signal = self._read(item, first, wanted + further)
        missing = wanted - len(signal)
        if missing > 0 and not is_all:
            return self.read(item)[first : first + wanted]  # padding is the mirrored end of the whole
        if missing > limit:
            raise DataError(too_short(item, missing, rate))
        if missing < -limit:
            raise DataError(too_long(item, rate))
        if missing > ROUNDING:
            self.padded.note(item, missing, rate)
        return padded(signal, wanted) if missing > 0 else signal[:wanted]

    def _read(self, item: CorpusItem, first: int, wanted: int) -> Float[Tensor, "_"]:
        """What there is of samples `first` to `first + wanted` of an item."""
        if item.cut is not None:
            begin = round(item.start * self.sample_rate) + first
            return read_with_lhotse(item, self.sample_rate)[begin : begin + wanted]
        start = item.start + first / self.sample_rate
        data = None if item.member is None else item.member.read()
        try:
            return read_audio(item.path, self.sample_rate, start, wanted / self.sample_rate, item.channels, data)[0]
        except AudioError as error:
            if error.reason == "excerpt" and first > 0:
                return torch.zeros(0)  # whether so much may be missing is for the whole item to say
            raise

    def subset(self, ids: Iterable[str]) -> Corpus:
        """Keep the items with these ids, in the order of the manifest.

        Raises:
            DataError: if an id is unknown.
        """
        wanted, known = set(ids), self.ids
        if unknown := wanted.difference(known):
            raise DataError(f"{len(unknown)} ids are not in the corpus, such as '{min(unknown)}'.")
        return self.take([place for place, item_id in enumerate(known) if item_id in wanted])

    def take(self, places: Sequence[int]) -> Corpus:
        """Only the items at these places of `items`."""
        if isinstance(self.items, ItemColumns):
            items = self.items.take(np.asarray(places, np.int64))
        else:
            items = [self.items[place] for place in places]
        return Corpus(items, self.sample_rate, self._manifest, self._folder)

    def where(self, condition: str) -> Corpus:
        """Only the items for which a condition holds (`audiossl.where`): on id, speaker, text, language and custom fields.

        Raises:
            ConfigError: if it is no condition, or no item has a column.
        """
        chosen, rows = parse_where(condition), [{"id": item.id, **known_of(item)} for item in self.items]
        chosen.check(dict.fromkeys(name for row in rows for name in row))
        empty = dict.fromkeys(chosen.columns)
        return self.take([place for place, row in enumerate(rows) if chosen({**empty, **row})])

    def with_items(self, items: Sequence[CorpusItem]) -> Corpus:
        """A corpus of other items that are read alike, such as pieces of its own; their manifest is not known."""
        return Corpus(items, self.sample_rate, None, self.folder)

    def cuts(self) -> Any:
        """Return the items as a `lhotse.CutSet` with resolved paths, at the rate of the files.

        Raises:
            DataError: if recordings are parts of a tar, which lhotse reads from the start only.
        """
        from lhotse import CutSet

        if packed := next((item for item in self.items if item.member is not None), None):
            raise DataError(f"item '{packed.id}' is in {packed.path.parent}; open the shards with CutSet.from_shar instead.")
        cuts = CutSet.from_file(self._manifest) if isinstance(self._manifest, str | Path) else self._manifest
        ids = set(self.ids)
        return CutSet.from_cuts(_resolved(cut, self._folder) for cut in cuts if cut.id in ids).to_eager()


def _is_plain(cut: Any) -> bool:
    """Tell whether the cut is a piece of one local file, untouched: what `read_audio` can read."""
    from lhotse import MonoCut, MultiCut

    if not isinstance(cut, MonoCut | MultiCut) or cut.recording is None:
        return False
    sources = cut.recording.sources
    return len(sources) == 1 and sources[0].type == "file" and not cut.recording.transforms


def _from_cut(cut: Any, folder: Path, sample_rate: int, is_stored: bool) -> CorpusItem:
    if _is_plain(cut):
        cut = _resolved(cut, folder)
        recording, source = cut.recording, cut.recording.sources[0]
        return from_line(
            {
                "id": cut.id,
                "start": cut.start,
                "duration": cut.duration,
                "channel": cut.channel,
                "supervisions": [vars(supervision) for supervision in cut.supervisions],
                "custom": cut.custom,
                "recording": {
                    "id": recording.id,
                    "sources": [{"source": source.source, "channels": source.channels}],
                    "sampling_rate": recording.sampling_rate,
                    "num_samples": recording.num_samples,
                    "duration": recording.duration,
                },
            },
            Path(),
            sample_rate,
        )
    if is_stored and cut.has_recording:  # what came from a file can be kept as a line of it
        return from_line(cut.to_dict(), folder, sample_rate)
    return item_of_cut(cut, folder, sample_rate)


def _resolved(cut: Any, folder: Path) -> Any:
    """Make relative paths absolute: below the folder of the manifest if the file is there, else as lhotse takes them."""
    if not _is_plain(cut):
        from lhotse.serialization import deserialize_item

        return cut if folder == Path() else deserialize_item(with_paths(cut.to_dict(), folder))
    source = Path(cut.recording.sources[0].source)
    if source.is_absolute() or not (folder / source).exists():
        return cut
    return cut.with_recording_path_prefix(folder.absolute())
