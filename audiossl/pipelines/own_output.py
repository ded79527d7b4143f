"""Where a run of one's own data goes: a folder named after method and corpus, which no other corpus may take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError
from audiossl.files import read_json, write_json

CLAIM = "corpus.json"
OWN = "own"  # the data set of recipes in recipes/own, replaced by the name of the corpus


def corpus_places(corpus: Any) -> list[str]:
    """The paths and patterns of a corpus, which may be one of them or a list; of mappings in it their `corpus` or `path`."""
    if isinstance(corpus, str | Path):
        return [str(corpus)]
    places = corpus if isinstance(corpus, Sequence) else [corpus]
    return [str(place.get("corpus", place.get("path", ""))) if isinstance(place, dict) else str(place) for place in places]


def corpus_name(corpus: Any) -> str:
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


def default_output(config: Any, method: str) -> Path:
    """The folder of a run that names none: `runs/METHOD-CORPUS` for one's own data, else `runs/DATASET`."""
    if config.output is not None:
        return config.output
    corpus = getattr(config, "corpus", None)
    return Path("runs") / (f"{method}-{corpus_name(corpus)}" if corpus else config.dataset)


def refuse_without_corpus(dataset: str) -> None:
    """Say that a recipe for data of one's own needs some.

    Raises:
        ConfigError: if `dataset` is that of such a recipe.
    """
    if dataset == OWN:
        raise ConfigError(
            "corpus: this recipe is for data of your own: say where they are, corpus=FOLDER or corpus='people/*.csv'"
        )


def claim_output(config: Any, output: Path, dry_run: bool = False) -> None:
    """Write down of which corpus a folder is made, and refuse one of another corpus.

    Raises:
        ConfigError: naming both.
    """
    corpus = getattr(config, "corpus", None)
    if not corpus or not getattr(config, "claims_output", False):  # recipes for audio look at the corpus that they made
        return
    places = [str(Path(place).expanduser().absolute()) for place in corpus_places(corpus)]
    claim = output / CLAIM
    if claim.is_file() and (made := read_json(claim).get("corpus")) != places:
        raise ConfigError(
            f"{output} was made from {', '.join(made or ['another corpus'])}, this is {', '.join(places)}. Choose another "
            f"folder, output=DIR"
        )
    if not dry_run:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot write the output folder {output}: {error.strerror}. Choose another with output=DIR."
            ) from error
        write_json(claim, {"corpus": places})
