"""Music and single sounds without labels: the music of Wesnoth (128 minutes) and the samples of Sonic Pi (6 minutes).

From the Debian packages wesnoth-1.16-music (41 Vorbis tracks, 44.1 kHz stereo; licence GPL-2+) and sonic-pi-samples (165 FLAC
files, 44.1 kHz; licence CC0).
"""

from __future__ import annotations

from pathlib import Path

from audiossl.signals.audio import probe
from audiossl.signals.corpora.corpus import Item
from audiossl.signals.fetch import fetch

from .sides import MIN_TRAINING_SECONDS, thin, valid_groups

SOURCES = {
    "wesnoth-1.16-music": ("usr/share/games/wesnoth/1.16/data/core/music", "ogg", 41),
    "sonic-pi-samples": ("usr/share/sonic-pi/samples", "flac", 165),
}


def items(package: str, data_root: Path | None, limit: int | None) -> list[Item]:
    """Fetch a package of sounds; each file is a group of its own. Silence, and what is too short to pre-train on, is left out."""
    folder, suffix, count = SOURCES[package]
    root = fetch(f"deb:{package}", data_root=data_root, expect={f"{folder}/*.{suffix}": count}) / folder
    paths = [
        path
        for path in sorted(root.glob(f"*.{suffix}"))
        if path.stem != "silence" and probe(path).duration >= MIN_TRAINING_SECONDS
    ]
    valid = valid_groups(path.stem for path in paths)
    found = []
    for path in paths:
        id_ = f"{package}/{path.stem}"
        side = "valid" if path.stem in valid else "train"
        found.append(Item(id=id_, path=path, custom={"source": package, "domain": "audio", "side": side, "group": id_}))
    return thin(found, limit)
