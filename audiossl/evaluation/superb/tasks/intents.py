"""IC: action, object and location of a command; Fluent Speech Commands (arXiv 1904.03670)."""

from __future__ import annotations

from audiossl.evaluation.superb.task import Settings
from audiossl.evaluation.superb.tasks.utterance import UtteranceTask


class IntentClassification(UtteranceTask):
    """One linear head with the logits of three labels, the sum of three cross entropies; all three have to be right."""

    name = "IC"
    columns = ("action", "object", "location")
    label_columns = ("action", "object", "location")
    settings = Settings()
