"""Where a run of one's own data goes: a folder named after method and corpus."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from audiossl.errors import ConfigError

OWN = "own"  # the data set of recipes in recipes/own, replaced by the name of the corpus


@runtime_checkable
class RunPlace(Protocol):
    """What the config of every method says of where its run goes."""

    dataset: str
    output: Path | None


def corpus_places(corpus: object) -> list[str]:
    """The paths and patterns of a corpus, which may be one of them or a list; of mappings in it their `corpus` or `path`."""
    if isinstance(corpus, str | Path):
        return [str(corpus)]
    places = corpus if isinstance(corpus, Sequence) else [corpus]
    return [str(place.get("corpus", place.get("path", ""))) if isinstance(place, dict) else str(place) for place in places]


def corpus_name(corpus: object) -> str:
    """A corpus as a word that a folder may have.

    >>> corpus_name("people/*.csv"), corpus_name("data/recordings/"), corpus_name(["a/x.csv", "b"])
    ('people', 'recordings', 'x-b')
    """
    names = []
    for place in corpus_places(corpus):
        parts = [
            part for part in Path(place).expanduser().parts if not re.search(r"[*?\[]", part) and part not in (".", "..", "/")
        ]
        plain = parts[-1] if parts else Path.cwd().name
        names.append(re.sub(r"[^\w-]+", "_", Path(plain).stem if Path(place).suffix else plain).strip("_") or OWN)
    return "-".join(names[:3])


def default_output(config: RunPlace, method: str) -> Path:
    """The folder of a run that names none: `runs/METHOD-CORPUS` for one's own data, else `runs/DATASET`."""
    if config.output is not None:
        return config.output
    corpus = getattr(config, "corpus", None)
    return own_folder(method, corpus_name(corpus)) if corpus else Path("runs") / config.dataset


def own_folder(method: str, name: str) -> Path:
    """The folder of a run on one's own data, where no other is named."""
    return Path("runs") / f"{method}-{name}"


def refuse_without_corpus(dataset: str, corpus: object) -> None:
    """Say that a recipe for data of one's own needs some.

    Raises:
        ConfigError: if `dataset` is that of such a recipe and there is no corpus.
    """
    if not corpus and dataset == OWN:
        raise ConfigError(
            "corpus: this recipe is for data of your own: say where they are, corpus=FOLDER or a pattern, as in corpus='people/*'"
        )
