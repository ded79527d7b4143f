"""Which subjects are trained on, chosen with and tested on; nobody is on two sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain

import torch

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_generator, derive_seed

FEWEST, MOST_FOLDS, VALID_SHARE, DRAWS = 3, 5, 7, 100  # of divisions that are chosen by the number of subjects


@dataclass(frozen=True)
class SubjectSides:
    """Names of subjects on each side.

    Raises:
        DataError: if a side is empty or a subject is on two sides.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        sides = {"train": self.train, "valid": self.valid, "test": self.test}
        for name, subjects in sides.items():
            if not subjects:
                raise DataError(f"expected subjects on every side of a split, side '{name}' has none")
        seen: dict[str, str] = {}
        for name, subjects in sides.items():
            for subject in subjects:
                if subject in seen:
                    raise DataError(
                        f"subject '{subject}' is on the sides '{seen[subject]}' and '{name}'; each may be on one only"
                    )
                seen[subject] = name

    @property
    def known(self) -> tuple[str, ...]:
        """Everybody but the test subjects."""
        return self.train + self.valid


def held_out_sides(subjects: Sequence[str], test: Iterable[str], num_valid: int, seed: int) -> SubjectSides:
    """Test on given subjects; of the others some, drawn at random, are for choices.

    Raises:
        ConfigError: if a test subject is not in the set.
        DataError: if too few subjects are left.

    >>> sides = held_out_sides(["anna", "ben", "cleo", "dan"], ["dan"], num_valid=1, seed=0)
    >>> sides.test, len(sides.valid), len(sides.train)
    (('dan',), 1, 2)
    """
    held_out, known = tuple(dict.fromkeys(map(str, test))), frozenset(subjects)
    if unknown := [name for name in held_out if name not in known]:
        raise ConfigError(f"test subjects {', '.join(unknown)} are not in the set; it has {', '.join(sorted(subjects))}")
    away = frozenset(held_out)
    rest = [name for name in subjects if name not in away]
    order = torch.randperm(len(rest), generator=derive_generator(seed, "valid subjects")).tolist()
    valid = {rest[i] for i in order[:num_valid]}
    return SubjectSides(
        tuple(name for name in rest if name not in valid), tuple(name for name in rest if name in valid), held_out
    )


def subject_folds(subjects: Sequence[str], num_folds: int, num_valid: int, seed: int) -> list[SubjectSides]:
    """Test every subject once, in folds of near-equal size that are drawn at random.

    Raises:
        ConfigError: if there are fewer subjects than folds.

    >>> folds = subject_folds(["anna", "ben", "cleo", "dan"], num_folds=2, num_valid=1, seed=0)
    >>> sorted(name for fold in folds for name in fold.test)
    ['anna', 'ben', 'cleo', 'dan']
    """
    if not 2 <= num_folds <= len(subjects):
        raise ConfigError(f"expected 2 to {len(subjects)} folds for {len(subjects)} subjects, got {num_folds}")
    order = torch.randperm(len(subjects), generator=derive_generator(seed, "folds")).tolist()
    names = list(subjects)
    folds = [[names[i] for i in sorted(order[first::num_folds])] for first in range(num_folds)]
    return [held_out_sides(subjects, fold, num_valid, seed) for fold in folds]


def sides_by_number(subjects: Sequence[str], labels: Mapping[str, Set[object]], seed: int) -> list[SubjectSides]:
    """Test every subject once, in up to five folds, with one of seven of the others for choices.

    Of a hundred divisions that the seed draws the first is taken in which every side has a label and every training side two
    that differ; the first of all where none is so.

    Args:
        subjects: three or more.
        labels: that each subject has.
        seed: of the draws.

    Raises:
        ConfigError: if there are fewer than three subjects; the message says what to do.
    """
    if len(subjects) < FEWEST:
        raise ConfigError(
            f"{len(subjects)} of at least {FEWEST} people ({', '.join(subjects)}): somebody has to be trained on, somebody to "
            f"choose with, and somebody to test. Take recordings of more people, say by person= who they are, or say "
            f"person=recording: then each recording is tested as if it was of another person, and the report says so"
        )
    folds = min(MOST_FOLDS, len(subjects))
    num_valid = max(1, (len(subjects) - -(-len(subjects) // folds)) // VALID_SHARE)
    draws = (
        subject_folds(subjects, folds, num_valid, derive_seed(seed, "division", draw) if draw else seed) for draw in range(DRAWS)
    )
    first = next(draws)
    return next((sides for sides in chain([first], draws) if all(_have_labels(one, labels) for one in sides)), first)


def given_folds(
    subjects: Sequence[str], tested: Mapping[str, Set[str]], labels: Mapping[str, Set[object]], seed: int
) -> list[SubjectSides]:
    """Test the subjects of each given fold, with one of seven of the others for choices.

    As in `sides_by_number`, the seed draws these until every side has a label and every training side two that differ.

    Args:
        subjects: all of them.
        tested: subjects of each fold.
        labels: that each subject has.
        seed: of the draws.

    Raises:
        ConfigError: if fewer than two subjects are left to train on and to choose with.

    >>> [sides] = given_folds(["a", "b", "c"], {"0": {"c"}}, {"a": {1, 2}, "b": {1, 2}, "c": {1}}, seed=0)
    >>> sides.test, len(sides.valid)
    (('c',), 1)
    """
    found = []
    for fold in sorted(tested, key=lambda name: (len(name), name)):
        test = [name for name in subjects if name in tested[fold]]
        rest = len(subjects) - len(test)
        if rest < 2:
            raise ConfigError(
                f"fold {fold} tests {len(test)} of {len(subjects)}: two at least are to be trained on and to choose with"
            )
        num_valid = max(1, rest // VALID_SHARE)
        draws = (held_out_sides(subjects, test, num_valid, derive_seed(seed, "given", fold, draw)) for draw in range(DRAWS))
        first = next(draws)
        found.append(next((sides for sides in chain([first], draws) if _have_labels(sides, labels)), first))
    return found


def _have_labels(sides: SubjectSides, labels: Mapping[str, Set[object]]) -> bool:
    of_sides = [set().union(*(labels.get(name, set()) for name in side)) for side in (sides.train, sides.valid, sides.test)]
    return all(of_sides) and len(of_sides[0]) > 1
