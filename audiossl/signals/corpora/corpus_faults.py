"""What destroys the signal of some items of a corpus, as `corpus.json` counts it, in words."""

from __future__ import annotations

from collections.abc import Mapping

COUNTED = {
    "silent": "silent",
    "cancelled": "in channels of opposite phase, of which the loudest is kept",
    "dead_channels": "stored with a channel that holds nothing; the others are kept",
    "quiet": "quieter than -60 dBFS",
    "clipped": "clipped",
    "gaps": "interrupted by gaps or overlaps of their time stamps",
    "mended": "longer than their header says, and read to the end",
}
SAID = COUNTED | {
    "duplicates": "of a sound that came under another id before; where sides are drawn both are on one",
    "cut_texts": "without text, since they hold a part of one only",
}


def complaints(about: Mapping[str, object]) -> list[str]:
    """Say in words what destroys the signal of some items, by the counts of `corpus.json`; a line for each fault that occurs.

    >>> complaints({"num_silent": 2, "num_clipped": 0})
    ['2 items are silent']
    """
    counts = {name: about.get(f"num_{name}", 0) for name in SAID}
    found = [(count, SAID[name]) for name, count in counts.items() if isinstance(count, int)]
    return [f"{count:,} {'item is' if count == 1 else 'items are'} {said}" for count, said in found if count]
