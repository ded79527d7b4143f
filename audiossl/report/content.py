"""What a report page says, without how it looks: plain dataclasses that a recipe fills in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import matplotlib.figure


@dataclass(frozen=True)
class Cell:
    """One cell of a table: a main text, a quieter detail behind it, and whether it is the best of its column.

    >>> Cell("80.1", "[78, 82]", best=True).text
    '80.1'
    """

    text: str
    detail: str = ""
    best: bool = False


@dataclass
class Table:
    """Rows under named columns; the first column names the row. A column of numbers is aligned to the right.

    >>> Table("Scores", ["model", "accuracy"], [["student", 0.8]]).columns
    ['model', 'accuracy']
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str | int | float]]
    note: str = ""


@dataclass
class Picture:
    """A matplotlib figure, the text of an SVG, or the bytes of a PNG or SVG; `alt` says in words what it shows.

    >>> Picture("A dot", "<svg xmlns='http://www.w3.org/2000/svg'/>", alt="nothing").alt
    'nothing'
    """

    title: str
    image: matplotlib.figure.Figure | str | bytes
    caption: str = ""
    alt: str = ""


@dataclass
class AudioClip:
    """Sound with a player: samples in [-1, 1], one channel (S,) or several (C, S), at `sample_rate` Hz.

    >>> AudioClip("A clip", np.zeros(16000, np.float32), 16000).sample_rate
    16000
    """

    title: str
    samples: Float[np.ndarray, "*C S"]
    sample_rate: int
    caption: str = ""


@dataclass
class TokenClip:
    """A figure over time with the player of its sound underneath and a playhead that moves across it.

    `figure` comes from `plot_spectrogram_tokens`: the x axis of all its axes is the time of the clip in seconds.

    >>> from matplotlib.figure import Figure
    >>> TokenClip("A clip", Figure(), np.zeros(16000, np.float32), 16000).sample_rate
    16000
    """

    title: str
    figure: matplotlib.figure.Figure
    samples: Float[np.ndarray, "*C S"]
    sample_rate: int
    caption: str = ""
    alt: str = ""


@dataclass
class KeyValues:
    """Facts of a run, a name and a value each.

    >>> KeyValues("Run", [("seed", 1)]).items
    [('seed', 1)]
    """

    title: str
    items: Sequence[tuple[str, str | int | float]]
    note: str = ""


@dataclass
class Text:
    """Paragraphs, parted by blank lines; preformatted text (a configuration, a log) is kept as it is and folded away.

    >>> Text("Notes", "One paragraph.").preformatted
    False
    """

    title: str
    body: str
    preformatted: bool = False


Part: TypeAlias = Table | Picture | AudioClip | TokenClip | KeyValues | Text


@dataclass
class Section:
    """Parts that belong together under one heading of the table of contents.

    >>> len(Section("Results", [Text("Notes", "None.")]).parts)
    1
    """

    title: str
    parts: Sequence[Part]
    lead: str = ""


@dataclass(frozen=True)
class Highlight:
    """One large figure at the head of the page, such as ("Student", "69.3 %", "frame phones, 67.8 to 70.9").

    >>> Highlight("Student", "69.3 %", "frame phones").value
    '69.3 %'
    """

    label: str
    value: str
    detail: str = ""


@dataclass
class ReportContent:
    """A whole page. A part that stands alone among the sections becomes a section of its own.

    Attributes:
        title: heading of the page and title of the browser tab.
        lead: one or two sentences under it: what was run, on what, with which outcome.
        sections: sections in reading order.
        highlights: the few figures that a reader came for.
        eyebrow: small line above the title, such as the name of the recipe.
        footer: small print: version, commit, seed, date.
        language: BCP 47 tag of the text.

    >>> ReportContent("My run", "What it showed.", [Text("Notes", "None.")]).language
    'en'
    """

    title: str
    lead: str
    sections: Sequence[Section | Part]
    highlights: Sequence[Highlight] = field(default_factory=tuple)
    eyebrow: str = "audiossl report"
    footer: str = ""
    language: str = "en"
