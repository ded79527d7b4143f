"""Values as people read them: words in place of Python's None, True and [], and numbers with the figures that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def in_words(value: object) -> str:
    """A value of a JSON file as a reader expects it.

    Example:
        >>> in_words([0.07136240321480627, None, True, 12345])
        '0.07136, none, yes, 12,345'
        >>> in_words({"people_left_out": []})
        'people left out: none'
    """
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        case Mapping():
            return "; ".join(f"{str(key).replace('_', ' ')}: {in_words(item)}" for key, item in value.items()) or "none"
        case str():
            return value
        case Sequence():
            return ", ".join(map(in_words, value)) or "none"
        case _:
            return str(value)
