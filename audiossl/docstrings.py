"""What docstrings say of attributes."""

from __future__ import annotations


def descriptions(kind: type) -> dict[str, str]:
    """Read the `Attributes:` of a class' docstring, by field; one line may describe several, `a, b: both`."""
    lines = (kind.__doc__ or "").expandtabs().splitlines()
    starts = [number for number, line in enumerate(lines) if line.strip() == "Attributes:"]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines[starts[0] + 1 :] if starts else []:
        if not line.strip():
            break
        head, colon, text = line.strip().partition(": ")
        if len(line) - len(line.lstrip()) <= 8 and colon:
            names = [name.strip() for name in head.split(",")]
            found |= dict.fromkeys(names, text)
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
