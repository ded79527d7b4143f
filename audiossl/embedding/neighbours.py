"""An item of a store that is near a query."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiossl.where_values import Plain


@dataclass(frozen=True)
class Neighbour:
    """An item of a store that is near a query.

    Attributes:
        id: id of the item.
        file: file that the item was made of.
        start, end: seconds in that file.
        similarity: cosine of the angle between the two vectors, from -1 to 1.
        time: seconds in the file, of the frame that is nearest; None where pooled vectors were compared.
        columns: what the store knows of it.

    >>> Neighbour("a", "a.wav", 0.0, 1.0, similarity=0.9).id
    'a'
    """

    id: str
    file: str
    start: float
    end: float
    similarity: float
    time: float | None = None
    columns: dict[str, Plain] = field(default_factory=dict)
