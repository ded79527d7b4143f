"""One row for each person with a label."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Shaped

from audiossl.errors import DataError
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig


@dataclass(frozen=True)
class Persons:
    """One row for each person.

    Attributes:
        features: means over runs.
        labels: classes or a quantity.
        groups: families where they are named, else the people.
        sites: sites, where they are left out in turn.
        names: names of the people.
        is_class: whether labels are classes.
        confounds: a column for each.
    """

    features: Float[np.ndarray, "P E"]
    labels: Shaped[np.ndarray, "P"]
    groups: Shaped[np.ndarray, "P"]
    sites: Shaped[np.ndarray, "P"] | None
    names: list[str]
    is_class: bool
    confounds: Float64[np.ndarray, "P C"]

    def only(self, kept: Bool[np.ndarray, "P"]) -> Persons:
        """Some of the people."""
        names = [name for name, keep in zip(self.names, kept, strict=True) if keep]
        sites = None if self.sites is None else self.sites[kept]
        return replace(
            self,
            features=self.features[kept],
            labels=self.labels[kept],
            groups=self.groups[kept],
            sites=sites,
            names=names,
            confounds=self.confounds[kept],
        )

    def check(self, config: PhenotypeConfig) -> None:
        """Say whether these people can be divided as asked.

        Raises:
            DataError: if a feature is not finite, or there are fewer people of a class than folds.
        """
        if not np.isfinite(self.features).all():
            raise DataError(
                f"expected finite features, got others of {self.names[int((~np.isfinite(self.features)).any(1).argmax())]}"
            )
        if config.by_site:
            self._check_sites()
        wanted, groups = max(3, 0 if config.by_site else config.folds), len(set(self.groups))
        if groups < wanted:
            raise DataError(f"expected {wanted} people or families to divide into {config.folds} folds, got {groups}")
        if not self.is_class:
            if len(set(self.labels)) < 2:
                raise DataError(f"expected a quantity that varies, got {self.labels[0]:g} of all {len(self.names)} people")
            return
        counts = {str(label): int((self.labels == label).sum()) for label in sorted(set(self.labels))}
        fewest = min(counts.values())
        if len(counts) < 2 or fewest < config.folds or fewest - -(-fewest // config.folds) < 2:
            wanted = f"two classes or more, each with {config.folds} people, one a fold, and 3 at least"
            raise DataError(f"expected {wanted}, got {counts}")

    def _check_sites(self) -> None:
        if self.sites is None or len(set(self.sites)) < 2:
            raise DataError("expected at least two sites to leave one out, got none or one")
        for site in sorted(set(self.sites)) if self.is_class else ():
            if len(set(self.labels[self.sites != site])) < 2:
                raise DataError(f"without site {site} one class is left: sites stand for classes and cannot be left out")
