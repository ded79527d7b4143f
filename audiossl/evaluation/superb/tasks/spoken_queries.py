"""QbE: which documents hold a spoken query; QUESST 2014, non-native English part (arXiv 2105.01051)."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch
from jaxtyping import Bool, Float

from audiossl.errors import DataError
from audiossl.evaluation.intervals import MEAN, rate_interval
from audiossl.evaluation.superb.heads.query_search import (
    match_scores,
    maximum_term_weighted_value,
    standard_scores,
    term_weighted_values,
)
from audiossl.evaluation.superb.layer_features import LayerFeatures
from audiossl.evaluation.superb.task import Measured, Settings, SuperbTask
from audiossl.progress import Report


class QueryByExample(SuperbTask):
    """Tables valid.csv and test.csv with a column `role`, query or document, and `matches`, ids of documents that hold a query.

    Nothing is trained: the layer that is best on the validation table is the test's.
    """

    name = "QbE"
    columns = ("role",)
    metrics = ("mtwv",)
    settings = Settings(updates=0)
    splits = ("valid", "test")
    gain_db = -3.0

    def read_vocabulary(self) -> None:
        """See that roles and matches are known.

        Raises:
            DataError: if one is not, or no query has a match.
        """
        for split in self.splits:
            documents = {clip.id for clip in self.clips(split) if clip.values["role"] == "document"}
            for clip in self.clips(split):
                wanted = clip.values.get("matches", "").split()
                if clip.values["role"] not in ("query", "document") or not set(wanted) <= documents:
                    raise DataError(
                        f"{self.folder / f'{split}.csv'}: {clip.id}: expected the role query or document, and matches among the "
                        f"{len(documents)} documents, got {clip.values['role']} and {wanted[:3]}"
                    )
            if not any(clip.values.get("matches") for clip in self.clips(split)):
                raise DataError(f"{self.folder / f'{split}.csv'}: no query has a match")

    def search(self, features: LayerFeatures, layer: int | None, progress: Report) -> dict[str, object]:
        """Score every layer on the validation table, or take the one that is given, and the chosen one on the test table."""
        layers = range(features.num_layers) if layer is None else [layer]
        values = {}
        for number in layers:
            progress(f"layer {number}", number, features.num_layers)
            values[number] = maximum_term_weighted_value(*self._scored("valid", features, number))[0]
        best = max(values, key=lambda number: values[number])
        scores, matches = self._scored("test", features, best)
        return {
            "measured": {"mtwv": asdict(self._measured(scores, matches))},
            "selected_by": "mtwv on valid.csv",
            "valid": values[best],
            "valid_by_layer": {str(number): value for number, value in values.items()},
            "layer": best,
        }

    def _scored(
        self, split: str, features: LayerFeatures, layer: int
    ) -> tuple[Float[np.ndarray, "Q N"], Bool[np.ndarray, "Q N"]]:
        queries, documents = (
            [clip for clip in self.clips(split) if clip.values["role"] == role] for role in ("query", "document")
        )
        sides = [[np.asarray(features[clip][layer], dtype=np.float32) for clip in side] for side in (queries, documents)]
        matches = [[document.id in query.values["matches"].split() for document in documents] for query in queries]
        return standard_scores(match_scores(*sides)), np.array(matches)

    def _measured(self, scores: Float[np.ndarray, "Q N"], matches: Bool[np.ndarray, "Q N"]) -> Measured:
        """The value with an interval over queries at the threshold that is best over all."""
        value, threshold = maximum_term_weighted_value(scores, matches)
        each = term_weighted_values(scores, matches, np.array([threshold]))[:, 0]
        of_queries = torch.from_numpy(np.asarray(each, dtype=np.float64))
        return Measured.of(replace(rate_interval(of_queries, torch.ones_like(of_queries), MEAN), value=value), len(each))
