"""SF: which slots a request fills and with what; Audio SNIPS (arXiv 2105.01051)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from audiossl.errors import import_extra
from audiossl.evaluation.superb.task import Counts, Settings
from audiossl.evaluation.superb.tasks.speech_recognition import SpeechRecognition
from audiossl.text import clean_text

# B-slot words E-slot: the begin and end of a slot are units of their own among the letters.
MARK = re.compile(r"(B-[^ ]+|E-[^ ]+)")


class SlotFilling(SpeechRecognition):
    """The ASR head, with marks of slots among the letters: `B-city new york E-city`."""

    name = "SF"
    metrics = ("slot_type_f1", "slot_value_cer")
    settings = Settings(batch=32, order="buckets", halve_above=300_000, hidden=1024)

    def split(self, text: str) -> list[str]:
        """Letters and marks; each mark is one unit."""
        return [unit for part in MARK.split(clean_text(text)) for unit in ([part] if MARK.fullmatch(part) else part)]

    def count(self, predictions: Mapping[str, str], split: str) -> dict[str, Counts]:
        """F1 of the types of slots, mean over clips; character errors of their values, each against the nearest of its type."""
        jiwer = import_extra("jiwer", "superb")
        f1: dict[str, float] = {}
        edits: dict[str, float] = {}
        sizes: dict[str, float] = {}
        for clip in self.clips(split):
            truth, found = slots(clip.values["transcription"]), slots(predictions[clip.id])
            f1[clip.id] = type_f1(truth, found)
            edits[clip.id] = sizes[clip.id] = 0.0
            for kind, values in truth.items():
                for value in values:
                    errors = [jiwer.process_characters(value, other) for other in found.get(kind) or [""]]
                    best = min(errors, key=lambda aligned: aligned.cer)
                    edits[clip.id] += best.substitutions + best.deletions + best.insertions
                    sizes[clip.id] += best.substitutions + best.deletions + best.hits
        return {"slot_type_f1": Counts(f1, dict.fromkeys(f1, 1.0)), "slot_value_cer": Counts(edits, sizes)}


def slots(text: str) -> dict[str, list[str]]:
    """Values of each type of slot, in order; a slot that is not closed, or closed as another, is none.

    >>> slots("go to B-city new york E-city on B-day monday E-day")
    {'city': ['new york'], 'day': ['monday']}
    """
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"B-(\S+) (.+?) E-\1", clean_text(text)):
        value = re.sub(r"B-\S+ ", "", match[2])  # marks inside
        found.setdefault(match[1], []).append(re.sub(r" E-\S+", "", value))
    return found


def type_f1(truth: Collection[str], found: Collection[str]) -> float:
    """F1 of two sets of types; 1 where both are empty."""
    if not truth and not found:
        return 1.0
    return 2 * len(set(truth) & set(found)) / (len(truth) + len(found))
