"""Hydrogen's drum kits: 754 one-shots of 14 kits, 44.1 and 48 kHz, with the instrument's name in each kit's file. Probe only.

From the Debian package hydrogen-drumkits. Licences by kit: GPL-2, CC-BY-3.0, CC-BY-SA-3.0, CC0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree

from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus, Item
from audiossl.signals.corpora.manifest import Custom
from audiossl.signals.fetch import fetch

SOURCE = "hydrogen-drumkits"
KITS = "usr/share/hydrogen/data/drumkits"
COUNTS = {"wav": 336, "flac": 332, "aiff": 86}
MIN_CLASSES, MAX_CLIPS = 4, 5  # kits that have so many of the classes, and at most so many clips of a class and kit

# The first that is found in the instrument's name decides.
CLASSES = {
    "hihat": r"hi.?hat|\bhh\b|\bohh\b|\bhat\b",
    "cymbal": r"crash|ride|cymbal|splash|china|paiste bell",
    "snare": r"snare",
    "tom": r"\btom",
    "kick": r"kick|bass.?drum",
}


def items(data_root: Path | None, limit: int | None) -> list[Item]:
    """Fetch the kits; none is on a side of pre-training, and every one-shot is in the corpus, labelled or not.

    `limit` keeps the labelled ones only.
    """
    root = fetch(f"deb:{SOURCE}", data_root=data_root, expect={f"{KITS}/*/*.{end}": n for end, n in COUNTS.items()}) / KITS
    labels = {path: label for kit in sorted(root.glob("*/drumkit.xml")) for path, label in choose(kit)}
    paths = sorted(path for suffix in COUNTS for path in root.glob(f"*/*.{suffix}"))
    found = []
    for path in paths:
        if limit is not None and path not in labels:
            continue
        kit = path.parent.name
        custom: Custom = {"source": SOURCE, "domain": "audio", "side": "probe", "group": f"{SOURCE}/{kit}", "kit": kit}
        found.append(Item(
            id=f"{SOURCE}/{kit}/{path.name}", path=path, custom=custom | ({"drum": labels[path]} if path in labels else {}),
        ))  # fmt: skip
    return found


def choose(kit_file: Path) -> list[tuple[Path, str]]:
    """Choose the clips of a kit that are probed: (file, class).

    Kits with four of the five classes count, and no class has more than five clips of a kit: one stroke of each instrument, in
    the order of the kit's file, before the second of any.
    """
    strokes: dict[str, list[list[Path]]] = defaultdict(list)
    for name, files in read_kit(kit_file):
        if (label := drum_class(name)) is not None:
            strokes[label].append(files)
    if len(strokes) < MIN_CLASSES:
        return []
    chosen: dict[Path, str] = {}
    for label, instruments in strokes.items():
        in_turn = (path for stroke in zip_longest(*instruments) for path in stroke if path is not None and path not in chosen)
        chosen |= dict.fromkeys(list(dict.fromkeys(in_turn))[:MAX_CLIPS], label)
    return list(chosen.items())


def drum_class(name: str) -> str | None:
    """Tell the class from an instrument's name; None if it is none of the five.

    >>> drum_class("Closed HH"), drum_class("Pearl Tom Floor"), drum_class("Cowbell")
    ('hihat', 'tom', None)
    """
    return next((label for label, pattern in CLASSES.items() if re.search(pattern, name.lower())), None)


def read_kit(kit_file: Path) -> list[tuple[str, list[Path]]]:
    """Read a kit: (instrument, the files of its strokes that exist), for instruments that have any.

    Old kits name a file for an instrument, newer ones a file for each layer of velocity.

    Raises:
        DataError: if it is no kit file.
    """
    try:
        root = ElementTree.parse(kit_file).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{kit_file} cannot be read as a drum kit: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    instruments = []
    for instrument in root.iter("instrument"):
        layers = [layer.findtext("filename") for layer in instrument.iter("layer")] or [instrument.findtext("filename")]
        files = [path for name in layers if name and (path := kit_file.parent / name).is_file()]
        if files:
            instruments.append((instrument.findtext("name") or "", files))
    return instruments


def labels(corpus: Corpus) -> tuple[list[dict[str, str]], dict[str, list[str]], dict[str, list[str]]]:
    """Label rows, a plain split by kit, and a fold for each kit of the drum task."""
    chosen = [item for item in corpus.items if "drum" in item.custom]
    folds: dict[str, list[str]] = defaultdict(list)
    for item in chosen:
        folds[str(item.custom["kit"])].append(item.id)
    kits = sorted(folds)
    parts = {kit: "test" if i % 4 == 1 else "valid" if i % 4 == 3 else "train" for i, kit in enumerate(kits)}
    splits = {part: [id_ for kit in kits if parts[kit] == part for id_ in folds[kit]] for part in ("train", "valid", "test")}
    return [{"id": item.id, "label": str(item.custom["drum"])} for item in chosen], splits, dict(sorted(folds.items()))
