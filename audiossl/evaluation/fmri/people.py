"""People with a label: a table of runs, averaged to one row for each person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Num

from audiossl.errors import DataError
from audiossl.evaluation.fmri.columns import (
    Column,
    check_lengths,
    confounds_of_people,
    labels_of_people,
    one_for_each,
    rows_of_people,
)
from audiossl.evaluation.fmri.persons import Persons


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
