"""Build a corpus from recordings: check each once, write it once as FLAC, and name every one that is left out."""

from __future__ import annotations

import gzip
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import soundfile

from audiossl.errors import DataError, StoreError
from audiossl.files import whole_folder, write_json
from audiossl.signals.audio import decode, mixed_down, open_decoder
from audiossl.signals.corpora.corpus_faults import COUNTED, complaints
from audiossl.signals.corpora.item_lines import line_of_item
from audiossl.signals.corpora.manifest import SAME_AS, CorpusItem, CutError, Item, audio_name, to_line
from audiossl.signals.corpora.sound_digest import SoundDigest
from audiossl.signals.corpora.stored_items import CUTS, write_columns
from audiossl.signals.decoder import AudioError
from audiossl.signals.levels import ChannelLevels, measured
from audiossl.signals.transcoding import check_rate, names_of
from audiossl.signals.transcoding import transcode as write_flac

REJECTED, SUMMARY = "rejected.jsonl", "corpus.json"
FORMAT = 1


@dataclass(frozen=True)
class CorpusSummary:
    """What is in a corpus, and what destroys the signal of some of its items.

    Attributes:
        sample_rate: sample rate in Hz.
        num_items: how many items there are.
        hours: hours of audio.
        num_rejected: recordings that were left out.
        rejected: these by reason.
        num_clipped: items with samples beyond [-1, 1], which the FLAC cannot hold, or with tops cut off in the recording.
        transcoded: whether the audio was written anew.
        num_silent: items that hold nothing but a constant.
        num_cancelled: items whose channels are of opposite phase; the loudest is kept.
        num_dead_channels: items of which a channel holds nothing; the others are kept.
        num_quiet: items below -60 dBFS; they are written with 24 bits.
        num_gaps: items with silence where the time stamps of packets leave a gap, or without packets that lay over others.
        num_mended: items with a wrong length in their header; they were read to the end.
        num_duplicates: items that hold a sound that came under another id before.
        num_cut_texts: items without text, since they hold a part of one only.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> summary = build_corpus([Item("a", Path("a.wav"), speaker="anna")], "corpus", progress=False)
    >>> summary.num_items, summary.num_rejected, round(3600 * summary.hours, 3)
    (1, 0, 1.0)
    """

    sample_rate: int
    num_items: int
    hours: float
    num_rejected: int
    rejected: dict[str, int]
    num_clipped: int
    transcoded: bool
    format: int = FORMAT
    num_silent: int = 0
    num_cancelled: int = 0
    num_dead_channels: int = 0
    num_quiet: int = 0
    num_gaps: int = 0
    num_mended: int = 0
    num_duplicates: int = 0
    num_cut_texts: int = 0


@dataclass(frozen=True)
class _Accepted:
    line: dict[str, Any]
    seconds: float
    faults: frozenset[str]  # keys of COUNTED
    sound: str  # digest of the samples


@dataclass(frozen=True)
class Rejected:
    """A recording that is left out: `reason` is a word to count by, `message` says more."""

    id: str
    path: str
    reason: str
    message: str


def build_corpus(
    items: Iterable[Item | CorpusItem | Rejected],
    out: str | Path,
    sample_rate: int = 16_000,
    min_seconds: float = 0.1,
    max_seconds: float | None = None,
    transcode: bool = True,
    num_workers: int = 2,
    progress: bool = True,
) -> CorpusSummary:
    """Check recordings and write a corpus folder: `cuts.jsonl.gz`, `rejected.jsonl`, `corpus.json` and `audio/`.

    `items.arrow` holds the cuts in columns, which open at once; without it, or where it does not fit, the lines are read.

    Every recording is decoded once, from begin to end. A bad one is rejected with its reason and never stops the build.
    The order of `items` is kept. The folder appears whole or not at all, and may be renamed and moved. The channels of a
    recording are averaged; where that would destroy the signal (`audiossl.signals.levels`), those that survive are.

    Args:
        items: what to put in; ids must be unique. Items of another corpus, such as parts of recordings, are pointed to where they
            are, and not decoded. What is rejected already is listed with what is rejected here.
        out: the folder; an older corpus there is replaced.
        sample_rate: rate of the corpus, in Hz; recordings of other rates are resampled.
        min_seconds: shorter recordings are rejected.
        max_seconds: longer recordings are rejected; None accepts any.
        transcode: write mono FLAC below `out/audio`, of 24 bits where the recording has more than 16 or is very quiet and of 16
            bits otherwise; if False, the manifest points to the originals, which are mixed down and resampled at every read.
        num_workers: threads that decode and encode.
        progress: show a bar on stderr if that is a terminal, and say there what destroys the signal of some items.

    Raises:
        DataError: if no recording is accepted, or FLAC cannot hold the rate.
        StoreError: if `out` holds something else than a corpus.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> summary = build_corpus([Item("a", Path("a.wav"), speaker="anna")], "corpus", progress=False)
    >>> summary.num_items
    1
    """
    place = Path(out)
    if place.exists() and not (place / SUMMARY).exists() and (not place.is_dir() or any(place.iterdir())):
        raise StoreError(f"{out} exists and is not a corpus; it would be replaced. Choose another folder or remove it.")
    if transcode:
        check_rate(sample_rate)
    bounds = (min_seconds, max_seconds)
    with whole_folder(place) as folder:

        def admit(item: Item | CorpusItem) -> _Accepted | Rejected:
            path = Path(item.path)
            try:
                if isinstance(item, CorpusItem):
                    return _point(item, sample_rate, bounds)
                if path.absolute().is_relative_to(place.absolute()):
                    raise DataError(f"{path} lies in {out}, which the new corpus replaces. Choose another output folder.")
                return _transcode(item, folder, sample_rate, bounds) if transcode else _keep(item, bounds)
            except (AudioError, CutError) as error:
                return Rejected(item.id, str(item.path), error.reason, str(error))
            except _LengthError as error:
                return Rejected(item.id, str(item.path), error.reason, f"{path}: {error}")

        tally = _Tally()
        lines = gzip.GzipFile(folder / CUTS, "wb", mtime=0)  # no time stamp: equal corpora are equal files
        with lines, (folder / REJECTED).open("wb") as rejected:
            for result in _shown(_in_order(_unique(items), admit, num_workers), items, progress):
                tally.add(result)
                if isinstance(result, _Accepted):
                    tally.mark_copy(result)
                    lines.write(_json_line(result.line))
                else:
                    rejected.write(_json_line(asdict(result)))
        if tally.num_items == 0:
            raise DataError(f"no recording was accepted for {out}: {tally.complaint()}")
        summary = tally.summary(sample_rate, transcode)
        write_json(folder / SUMMARY, asdict(summary))
        write_columns(folder, sample_rate, transcode)
    if progress:
        _print(place, summary)
    return summary


class _LengthError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _transcode(item: Item, folder: Path, sample_rate: int, bounds: tuple[float, float | None]) -> _Accepted:
    name = f"audio/{audio_name(item.id)}"
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = write_flac(Path(item.path), target, sample_rate, lambda seconds: _check_longest(seconds, bounds))
        seconds = done.num_samples / sample_rate
        _check_shortest(seconds, bounds)
    except soundfile.LibsndfileError as error:  # reading raises AudioError, so this is writing
        raise StoreError(f"cannot write {target}: {error}. Is the disk full?") from error
    except (AudioError, _LengthError):
        target.unlink(missing_ok=True)
        raise
    return _Accepted(to_line(item, name, sample_rate, done.num_samples, 1), seconds, done.names, done.sound)


def _keep(item: Item, bounds: tuple[float, float | None]) -> _Accepted:
    """Decode the recording to check it, and point to where it is."""
    path = Path(item.path)
    num_samples, sound = 0, SoundDigest()
    with open_decoder(path) as decoder:
        rate = decoder.sample_rate
        levels = ChannelLevels(decoder.num_channels)
        for block in measured(decode(path, decoder), levels):
            sound.update(mixed_down(block))
            num_samples += len(block)
            _check_longest(num_samples / rate, bounds)
        if num_samples == 0:
            raise AudioError("zero_length", path, "it holds no samples (zero length).")
        _check_shortest(num_samples / rate, bounds)
        faults = levels.faults()
        line = to_line(item, str(path.absolute()), rate, num_samples, decoder.num_channels)
        if faults.channels is not None:
            line = _with_channels(line, faults.channels)
        return _Accepted(line, num_samples / rate, names_of(decoder, faults), sound.hexdigest())


def _point(item: CorpusItem, sample_rate: int, bounds: tuple[float, float | None]) -> _Accepted:
    """Point to what an item of another corpus is made of."""
    line = line_of_item(item, sample_rate)
    seconds = item.num_samples / sample_rate
    _check_shortest(seconds, bounds)
    _check_longest(seconds, bounds)
    return _Accepted(line, seconds, frozenset(), "")


def _with_channels(line: dict[str, Any], channels: tuple[int, ...]) -> dict[str, Any]:
    """Make the cut one of these channels of its recording alone."""
    channel = channels[0] if len(channels) == 1 else list(channels)
    supervisions = [supervision | {"channel": channel} for supervision in line["supervisions"]]
    kind = "MonoCut" if len(channels) == 1 else "MultiCut"
    return line | {"channel": channel, "supervisions": supervisions, "type": kind}


def _check_shortest(seconds: float, bounds: tuple[float, float | None]) -> None:
    if seconds < bounds[0]:
        raise _LengthError("too_short", f"{seconds:.3f} s is shorter than min_seconds={bounds[0]:g}.")


def _check_longest(seconds: float, bounds: tuple[float, float | None]) -> None:
    if bounds[1] is not None and seconds > bounds[1]:
        raise _LengthError("too_long", f"longer than max_seconds={bounds[1]:g}.")


def _unique(items: Iterable[Item | CorpusItem | Rejected]) -> Iterator[Item | CorpusItem | Rejected]:
    """Pass the first item of every id on; the audio of a second would overwrite that of the first."""
    seen: set[str] = set()
    for item in items:
        if isinstance(item, Rejected):
            yield item
        elif item.id in seen:
            yield Rejected(item.id, str(item.path), "duplicate_id", f"{item.path}: the id '{item.id}' was seen before.")
        else:
            seen.add(item.id)
            yield item


def _in_order(
    items: Iterable[Item | CorpusItem | Rejected], admit: Callable[[Item | CorpusItem], _Accepted | Rejected], num_workers: int
) -> Iterator[_Accepted | Rejected]:
    """Run `admit` in threads (decoders release the interpreter), a few items ahead, and yield in the order of the items."""
    pool = ThreadPoolExecutor(max(1, num_workers), thread_name_prefix="corpus")
    waiting: deque[Future[_Accepted | Rejected] | Rejected] = deque()
    try:
        for item in items:
            waiting.append(item if isinstance(item, Rejected) else pool.submit(admit, item))
            if len(waiting) > 8 * max(1, num_workers):
                first = waiting.popleft()
                yield first if isinstance(first, Rejected) else first.result()
        for first in waiting:
            yield first if isinstance(first, Rejected) else first.result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Tally:
    """Counts while a corpus is built."""

    def __init__(self) -> None:
        self.num_items, self.seconds, self.num_duplicates = 0, 0.0, 0
        self.faults: Counter[str] = Counter()
        self.sounds: dict[str, str] = {}  # id of the first item with these samples
        self.rejected: Counter[str] = Counter()
        self.first_rejected = ""

    def add(self, result: _Accepted | Rejected) -> None:
        if isinstance(result, _Accepted):
            self.num_items += 1
            self.seconds += result.seconds
            self.faults.update(result.faults)
        else:
            self.rejected[result.reason] += 1
            self.first_rejected = self.first_rejected or result.message

    def mark_copy(self, accepted: _Accepted) -> None:
        """Note in the line of an item which earlier one holds the same samples; silence is like silence and no copy."""
        if not accepted.sound:
            return
        own = accepted.line["id"]
        first = self.sounds.setdefault(accepted.sound, own)
        if first != own:
            self.num_duplicates += 1
            accepted.line["custom"] = {**accepted.line.get("custom", {}), SAME_AS: {"id": first}}

    def complaint(self) -> str:
        if not self.rejected:
            return "there were none. Check the path or pattern that finds them."
        counts = ", ".join(f"{count} {reason}" for reason, count in self.rejected.most_common())
        return f"{counts}. The first: {self.first_rejected}"

    def summary(self, sample_rate: int, transcoded: bool) -> CorpusSummary:
        return CorpusSummary(
            sample_rate=sample_rate,
            num_items=self.num_items,
            hours=self.seconds / 3600,
            num_rejected=self.rejected.total(),
            rejected=dict(sorted(self.rejected.items())),
            transcoded=transcoded,
            **{f"num_{name}": self.faults[name] for name in COUNTED},
            num_duplicates=self.num_duplicates,
        )


def _json_line(row: dict[str, Any]) -> bytes:
    # File names that are not valid UTF-8 hold surrogates; as backslash escapes they are JSON and come back as they were.
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _print(place: Path, summary: CorpusSummary) -> None:
    from audiossl.console import console

    for line in complaints(asdict(summary)):
        console.print(f"{place.name}: {line}", style="yellow", markup=False, soft_wrap=True)


def _shown(results: Iterator[Any], items: Iterable[object], progress: bool) -> Iterator[Any]:
    """Show a bar on stderr where that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    total = len(items) if isinstance(items, list | tuple) else None
    return iter(track(results, "corpus", total=total, console=console, disable=not (progress and console.is_terminal)))
