"""Which tokens are predicted from which recordings where a student learns from several domains (SPEAR, arXiv 2510.25955)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from audiossl.errors import DataError

DualLoss = Literal["asymmetric", "joint", "disjoint"]


def target_streams(domain: str | None, streams: Sequence[str], dual_loss: DualLoss = "asymmetric") -> list[str]:
    """Name the token streams that are predicted from a recording of a domain.

    With speech and audio streams: `joint` predicts both from everything; `disjoint` speech tokens from speech and audio tokens
    from audio; `asymmetric` speech tokens from everything, and audio tokens from audio in addition.

    Args:
        domain: domain of the recording; may be None where there is one stream.
        streams: names of all streams; each is that of its domain, the first is the main one.
        dual_loss: the rule.

    Raises:
        DataError: if there are several streams and none is of this domain.
    """
    if len(streams) == 1 or dual_loss == "joint":
        return list(streams)
    if domain not in streams:
        raise DataError(
            f"a recording has the domain {domain!r}, token streams there are for {', '.join(streams)}; set the custom field "
            "'domain' of every recording in the recipe's prepare.py"
        )
    return [name for name in streams if name == domain or (dual_loss == "asymmetric" and name == streams[0])]
