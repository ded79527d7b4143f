"""Join the manifests of several data sets into one corpus that points to their audio, wherever it is; nothing is copied."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_yaml, whole_folder, write_json
from audiossl.signals.corpora.building import REJECTED, SUMMARY, CorpusSummary
from audiossl.signals.corpora.cut_lines import as_cut, from_line, read_lines
from audiossl.signals.corpora.lhotse_cuts import with_paths
from audiossl.signals.corpora.manifest import MEMBER, SAME_AS, CorpusItem, CutError, plain_custom
from audiossl.signals.corpora.same_sound import HeardFiles
from audiossl.signals.corpora.shar import is_shar, shar_lines
from audiossl.signals.corpora.stored_items import CUTS, write_columns
from audiossl.signals.fetching.storage import is_remote, location


@dataclass(frozen=True)
class LinkedSource:
    """A data set: its name, its domain (speech, audio) and the place of its manifest, corpus folder or shards."""

    name: str
    domain: str
    place: str


def find_sources(data_root: Path | None, domains: Mapping[str, str]) -> list[LinkedSource]:
    """Find data sets below a folder, or read where they are from a YAML file.

    A folder holds a folder for each, with its cuts (`cuts*.jsonl.gz` or `cuts*.jsonl`), a corpus, or shards (there or in
    `shar/`). A YAML file says `NAME: {domain: speech, path: PLACE}`, with paths and URLs as `open_corpus` takes them, from the
    folder of the file on; those of other domains than the recipe's are passed over.

    Args:
        data_root: the folder or the file.
        domains: domain of each data set of the recipe, by name.

    Raises:
        ConfigError: if there is neither, or the file is otherwise.
        DataError: if a data set of the recipe is not in the folder.

    >>> from pathlib import Path
    >>> Path("data").mkdir()
    >>> find_sources(Path("data"), {"LibriSpeech": "speech"})
    Traceback (most recent call last):
    ...
    audiossl.errors.DataError: ...
    """
    if data_root is None or not data_root.exists():
        raise ConfigError(
            f"data_root={data_root} does not exist; give a folder with {', '.join(domains)}, or a YAML file that says where "
            "they are, as recipes/spear/README.md describes."
        )
    if data_root.is_file():
        return [source for source in _declared(data_root) if source.domain in domains.values()]
    found = {name: _in_folder(data_root / name) for name in domains}
    if missing := [name for name, place in found.items() if place is None]:
        raise DataError(
            f"{data_root} has no manifest or shards of {', '.join(missing)}. To train without them, list what you have in a YAML "
            "file and give that as data_root."
        )
    return [LinkedSource(name, domain, str(found[name])) for name, domain in domains.items()]


def link_corpus(
    sources: Iterable[LinkedSource],
    out: Path,
    sample_rate: int = 16_000,
    min_seconds: float = 0.1,
    max_seconds: float | None = None,
    limit: int | None = None,
) -> CorpusSummary:
    """Write a corpus folder whose items are those of several manifests; audio stays where it is, and is not looked at.

    Ids get the name of their source in front, and items the custom fields `source` and `domain`. What is too short or too long
    or cannot be used is in `rejected.jsonl`. `corpus.json` counts the items whose sound came under another recording id before
    (`num_duplicates`), and those without text since they hold a part of one only (`num_cut_texts`).

    Args:
        sources: what to join.
        out: the folder; an older corpus there is replaced.
        sample_rate: sample rate at which the corpus is read, in Hz.
        min_seconds: shorter items are rejected.
        max_seconds: longer items are rejected.
        limit: take so many items of each source, for a smoke run.

    Raises:
        DataError: if a manifest cannot be read, its first recording is not there, or nothing is accepted.
        StoreError: if `out` holds something else than a corpus.

    >>> import numpy as np, soundfile
    >>> from pathlib import Path
    >>> from lhotse import CutSet, Recording
    >>> soundfile.write("a.wav", np.zeros(16000), 16000)
    >>> CutSet.from_cuts([Recording.from_file("a.wav").to_cut()]).to_file("cuts.jsonl")
    >>> link_corpus([LinkedSource("reading", "speech", "cuts.jsonl")], Path("corpus")).num_items
    1
    """
    if out.exists() and not (out / SUMMARY).exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} exists and is not a corpus; it would be replaced. Choose another folder or remove it.")
    rejected: Counter[str] = Counter()
    seen: set[str] = set()
    heard = HeardFiles()
    samples = num_duplicates = num_cut_texts = 0
    with whole_folder(out) as folder:
        with gzip.GzipFile(folder / CUTS, "wb", mtime=0) as cuts, (folder / REJECTED).open("wb") as left_out:
            for source in sources:
                taken = 0
                for line in _lines(source):
                    named, item, why = _joined(line, source, sample_rate, (min_seconds, max_seconds), seen)
                    if item is None or why:
                        rejected[why["reason"]] += 1
                        left_out.write(_encoded({"id": named["id"], "path": source.place, **why}))
                        continue
                    cuts.write(_encoded(named))
                    seen.add(named["id"])
                    num_duplicates += heard.was_heard(item)
                    num_cut_texts += item.text_is_cut
                    samples, taken = samples + item.num_samples, taken + 1
                    if taken == limit:
                        break
        if not seen:
            raise DataError(f"no recording was accepted for {out}: {dict(rejected) or 'the manifests are empty'}.")
        summary = CorpusSummary(
            sample_rate=sample_rate,
            num_items=len(seen),
            hours=samples / sample_rate / 3600,
            num_rejected=rejected.total(),
            rejected=dict(sorted(rejected.items())),
            num_clipped=0,
            transcoded=False,
            num_duplicates=num_duplicates,
            num_cut_texts=num_cut_texts,
        )
        write_json(folder / SUMMARY, asdict(summary))
        write_columns(folder, sample_rate, is_measured=False)
    return summary


def _joined(
    line: dict[str, Any], source: LinkedSource, sample_rate: int, bounds: tuple[float, float | None], seen: set[str]
) -> tuple[dict[str, Any], CorpusItem | None, dict[str, str]]:
    """The line as it is in the corpus, the item that it gives, and why it is rejected (nothing if it is not)."""
    line = dict(as_cut(line))
    custom: dict[str, Any] = dict(plain_custom(line.get("custom")))
    custom |= {key: value for key in (MEMBER, SAME_AS) if (value := (line.get("custom") or {}).get(key))}
    if SAME_AS in custom:
        custom[SAME_AS] = {"id": f"{source.name}/{custom[SAME_AS]['id']}"}
    custom |= {"source": source.name, "domain": source.domain}
    named = {key: value for key, value in line.items() if key != "features"}
    named |= {"id": f"{source.name}/{line.get('id')}", "custom": custom}
    try:
        item = from_line(named, Path(), sample_rate)
    except CutError as error:
        return named, None, {"reason": error.reason, "message": str(error)}
    seconds = item.num_samples / sample_rate
    if item.id in seen:
        return named, item, {"reason": "duplicate_id"}
    if seconds < bounds[0]:
        return named, item, {"reason": "too_short"}
    if bounds[1] is not None and seconds > bounds[1]:
        return named, item, {"reason": "too_long"}
    return named, item, {}


def _lines(source: LinkedSource) -> Iterator[dict[str, Any]]:
    """The cuts of a source as lines whose recordings are found from anywhere."""
    place = location(source.place)
    if is_remote(place) or is_shar(place):
        yield from shar_lines(place)
        return
    path = Path(place)
    manifests = _manifests(path) if path.is_dir() else [path]
    if not manifests:
        raise DataError(f"{path} holds no cuts*.jsonl.gz and no cuts*.jsonl")
    for manifest in manifests:
        for number, line in enumerate(read_lines(manifest)):
            line = with_paths(line, manifest.parent)
            if number == 0:
                _check_first(line, manifest)
            yield line


def _manifests(folder: Path) -> list[Path]:
    """The manifests of cuts in a folder; of one that is there compressed and not, the compressed one."""
    packed = sorted(folder.glob("cuts*.jsonl.gz"))
    return packed + [path for path in sorted(folder.glob("cuts*.jsonl")) if path.with_name(f"{path.name}.gz") not in packed]


def _check_first(line: dict[str, Any], manifest: Path) -> None:
    """A wrong root makes every path wrong; better to hear of it now than at the first batch."""
    for source in (as_cut(line).get("recording") or {}).get("sources") or []:
        if source.get("type", "file") == "file" and not Path(source["source"]).exists():
            raise DataError(f"{manifest}: its first recording {source['source']} is not there. Mend the paths, or start there.")


def _declared(path: Path) -> list[LinkedSource]:
    declared = read_yaml(path)
    try:
        sources = []
        for name, about in declared.items():
            place = location(about["path"])
            remote = is_remote(place) or Path(place).is_absolute()
            sources.append(LinkedSource(name, about["domain"], place if remote else str(path.parent / place)))
        return sources
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} does not say where data sets are ({type(error).__name__}: {error}); expected lines such as "
            "libriheavy: {domain: speech, path: PLACE}"
        ) from error


def _in_folder(folder: Path) -> Path | None:
    for place in (folder, folder / "shar"):
        if is_shar(place):
            return place
    return folder if _manifests(folder) else None


def _encoded(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
