"""How a phenotype is scored: folds, repeats, sites, edges and permutations."""

from __future__ import annotations

from dataclasses import dataclass

from audiossl.errors import ConfigError

LEAKS = "leaks labels into the score"


@dataclass
class PhenotypeConfig:
    """How a phenotype is scored.

    Attributes:
        folds: outer ones; people, and families where they are named, are on one side.
        repeats: divisions.
        by_site: leave one site out at a time instead.
        edges: the best so many features by an F test, inside folds; 0 takes all.
        permutations: number of permutations of labels over people, for a p-value of the whole pipeline; 0 makes none.
        edges_before_splitting: choose the edges on everybody, test people included. Must be the words "leaks labels into the
            score": it is here to show what it does.
        seed: seed of divisions and permutations.
    """

    folds: int = 5
    repeats: int = 20
    by_site: bool = False
    edges: int = 0
    permutations: int = 0
    edges_before_splitting: str = ""
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("repeats", 1), ("edges", 0), ("permutations", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"phenotypes: options.{name} should be at least {least}, got {getattr(self, name)}")
        if self.edges_before_splitting not in ("", LEAKS):
            raise ConfigError(
                f"edges_before_splitting chooses edges with the labels of test people, so its score means nothing; to show that, "
                f"set it to '{LEAKS}'"
            )
