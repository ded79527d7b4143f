"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes:
        check: what was asked.
        status: pass, warn or fail.
        found: the number or shape that decides.
        advice: what to do about it; empty after a pass.
    """

    check: str
    status: Status
    found: str
    advice: str = ""


def graded(check: str, value: float, most: float, tolerable: float, unit: str, advice: str) -> Finding:
    """Pass up to `most`, warn up to `tolerable`, fail beyond; a value that is not finite fails."""
    status: Status = "pass" if value <= most else "warn" if value <= tolerable else "fail"
    return Finding(check, status, f"{value:.3g}{unit}", "" if status == "pass" else advice)
