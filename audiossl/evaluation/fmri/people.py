"""People with a label: a table of runs, and one row for each person of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Num, Shaped

from audiossl.errors import DataError
from audiossl.evaluation.fmri.columns import (
    Column,
    check_lengths,
    confounds_of_people,
    labels_of_people,
    one_for_each,
    rows_of_people,
)
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig


@dataclass(frozen=True)
class People:
    """What is known of the people of some runs, a value for each run.

    Attributes:
        labels: classes as text, or a quantity as floats; the same in all runs of a person. Ints and truth values may be either,
            and are refused.
        subjects: person of each run.
        sites: where people were scanned; the same in all runs of a person.
        families: relatives, who stay on one side; the same in all runs of a person.
        confounds: numbers by name, such as age, sex as 0 and 1, mean_fd. Whole numbers are the same in all runs of a person,
            others are averaged.

    >>> runs = People(["a", "a", "b"], ["p1", "p1", "p2"], confounds={"mean_fd": [0.1, 0.3, 0.5]})
    >>> runs.averaged(np.array([[1.0], [3.0], [5.0]])).features.tolist()
    [[2.0], [5.0]]
    """

    labels: Column
    subjects: Column
    sites: Column | None = None
    families: Column | None = None
    confounds: Mapping[str, Column] = field(default_factory=dict)

    def averaged(self, features: Num[np.ndarray, "R E"], by_site: bool = False) -> Persons:
        """Bring runs to one row for each person, with averaged features.

        Args:
            features: features of every run.
            by_site: read the sites as well.

        Raises:
            DataError: if columns have other lengths, or labels, sites, families or whole confounds differ within a person; labels
                may be of either kind; or a label or a confound is not known.
        """
        columns = {"labels": self.labels, "subjects": self.subjects, "sites": self.sites, "families": self.families}
        if np.ndim(features) != 2:
            raise DataError(f"expected features of runs x features, got an array of shape {np.shape(features)}")
        check_lengths(len(features), columns, self.confounds)
        rows = rows_of_people(self.subjects)
        values, is_class = labels_of_people(rows, self.labels)
        groups = np.array(list(rows) if self.families is None else one_for_each(rows, self.families, "families"))
        sites = np.array(one_for_each(rows, self.sites, "sites")) if by_site and self.sites is not None else None
        table = np.asarray(features, float)
        averaged = np.stack([table[own].mean(0) for own in rows.values()]) if rows else table
        return Persons(averaged, values, groups, sites, list(rows), is_class, confounds_of_people(rows, self.confounds))


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
