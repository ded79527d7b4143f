"""All checks of an encoder, in order."""

from __future__ import annotations

from collections.abc import Sequence

from audiossl.embedding.embedder import Embedder
from audiossl.evaluation.encoder_check import batches, signals
from audiossl.evaluation.encoder_check.finding import Finding

LONG, QUICK = 600.0, 40.0  # seconds of the longest file


def check_encoder(embedder: Embedder, quick: bool = False) -> list[Finding]:
    """Ask everything of an encoder; a check that an exception ends has failed.

    Args:
        embedder: embedder from `audiossl.load`, or `Embedder(encoder)` around anything with the encoder's contract.
        quick: take 40 s for a long file instead of 10 minutes, and fewer repetitions.
    """
    channels = len(getattr(embedder.encoder, "regions", ())) or len(
        getattr(getattr(embedder.encoder, "takes", None), "channels", "1")
    )
    seconds = QUICK if quick else LONG
    questions = {
        "contract": lambda: batches.check_contract(embedder, channels),
        "frame count": lambda: batches.check_frame_count(embedder, channels, min(seconds, embedder.window_seconds)),
        "padding": lambda: batches.check_padding(embedder, channels),
        "company in a batch": lambda: batches.check_company(embedder, channels),
        "repetition": lambda: batches.check_repetition(embedder, channels),
        "unusual signals": lambda: signals.check_unusual(embedder, channels),
        "drift over a long file": lambda: signals.check_drift(embedder, channels, seconds),
        "saved and loaded": lambda: signals.check_copy(embedder, channels),
        "other devices": lambda: signals.check_devices(embedder, channels),
        "memory": lambda: signals.check_memory(embedder, channels, 5 if quick else 20),
    }
    found: list[Finding] = []
    for name, ask in questions.items():
        try:
            answer = ask()
            found += answer if isinstance(answer, list) else [answer]
        except Exception as error:  # a foreign model may fail in any way; that is the finding
            reason = str(error).splitlines()[0][:100] if str(error) else ""
            found.append(Finding(name, "fail", f"{type(error).__name__}: {reason}", "the check itself could not run"))
    return found


def has_failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed."""
    return any(finding.status == "fail" for finding in findings)
