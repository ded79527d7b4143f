"""What a reader sees of a report: its text, the numbers in it, and what Python left there."""

from __future__ import annotations

import html
import re
from pathlib import Path

RAW = re.compile(r"\bNone\b|\bTrue\b|\bFalse\b|\[\]|\{\}|\[\d+\.\d{5,}[^ ]*|\b\d+\.\d{7,}")


def prose_of(page: Path) -> str:
    """Text without styles, scripts, pictures and preformatted configuration."""
    text = page.read_text(encoding="utf-8")
    for tag in ("head", "style", "script", "svg", "pre"):
        text = re.sub(rf"(?is)<{tag}\b.*?</{tag}>", " ", text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def raw_python(prose: str) -> list[str]:
    """Bits of Python and numbers of ten digits."""
    return RAW.findall(prose)


def numbers_in(prose: str) -> set[str]:
    """Decimal numbers as they stand there."""
    return set(re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", prose))
