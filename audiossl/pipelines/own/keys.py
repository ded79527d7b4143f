"""The keys of a recipe on recordings of one's own: `corpus`, `table`, `where` and `tasks`, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from audiossl.errors import ConfigError
from audiossl.pipelines.own.output import OWN, own_folder
from audiossl.pipelines.sides import SplitConfig
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.sources import AudioSource, read_sources


@runtime_checkable
class OwnKeys(Protocol):
    """A recipe that has these keys."""

    dataset: str
    output: Path | None
    corpus: Any
    table: Path | None
    where: str | None
    tasks: str | list[str]


@runtime_checkable
class OwnRecipe(OwnKeys, Protocol):
    """What a source of recordings is made from."""

    split: SplitConfig
    seed: int
    limit: int | None


def adopt_corpus(recipe: OwnKeys, method: str) -> list[AudioSource]:
    """Read where the recordings are, and name the data set and the output after them where the recipe does not.

    Args:
        recipe: recipe that is being made; its `dataset` and `output` are set.
        method: method in the name of the output, `runs/METHOD-CORPUS`.

    Returns:
        The sources; none where the recipe has a script.

    Raises:
        ConfigError: if there is no corpus but keys that need one.
    """
    if recipe.corpus is None:
        if alone := [key for key in ("table", "where", "tasks") if getattr(recipe, key)]:
            raise ConfigError(f"{', '.join(alone)}: expected a corpus too, as in corpus=recordings/, got none")
        return []
    if isinstance(recipe.corpus, Corpus):
        recipe.corpus = _places(recipe.corpus)
    sources = read_sources(recipe.corpus, recipe.table, recipe.where)
    name = name_of(sources)
    recipe.dataset = name if recipe.dataset == OWN else recipe.dataset
    recipe.output = recipe.output or own_folder(method, name)
    return sources


def _places(corpus: Corpus) -> list[dict[str, Any]]:
    """What an opened corpus was opened from, as a recipe says it."""
    if not corpus.sources:
        raise ConfigError(
            "corpus: this one was not opened by open_corpus, or is a part of another, so that a run cannot find it again. Give "
            "its path, and choose with where"
        )
    described = [
        {key: str(value) if isinstance(value, Path) else value for key, value in vars(one).items()} for one in corpus.sources
    ]
    return [{key: value for key, value in one.items() if value not in (None, "")} for one in described]


def name_of(sources: Sequence[AudioSource]) -> str:
    """A name for a corpus: those of its sources."""
    joined = "+".join(source.called for source in sources).replace("/", "_").lstrip(".")
    return joined[:100] or "corpus"


def repeats_of(sources: Sequence[AudioSource]) -> dict[str, float]:
    """How often recordings of each source come in an epoch, where that is not once."""
    return {source.called: source.repeats for source in sources if source.repeats != 1}
