"""Where the recordings and the labels of a recipe come from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from audiossl.signals.corpora.corpus import Corpus
from audiossl.stage import Names


@runtime_checkable
class Source(Protocol):
    """What the stages `corpus` and `labels` of a recipe call, and are hashed by.

    The first kind is `ScriptSource`: a prepare script beside the recipe.

    Attributes:
        name: what messages call it, such as the path of the script.
        data: folders and files of the user that it reads; another content of them makes both stages run again.
        limit: most items of each part of the data, for a smoke run; None takes all.
        labels: what the stage `labels` calls and is hashed by: itself, where labels do not change without the corpus.
    """

    @property
    def name(self) -> str: ...

    @property
    def data(self) -> tuple[Path, ...]: ...

    @property
    def limit(self) -> int | None: ...

    @property
    def labels(self) -> Source: ...

    def prepare_corpus(self, out: Path) -> None:
        """Build a corpus folder at `out`."""
        ...

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Write the labels of the recipe's tasks into the folder `out`, as `recipes/README.md` says."""
        ...

    def decides(self) -> object:
        """What decides the recordings and the labels, as JSON-able values; it goes into the fingerprint of both stages."""
        ...

    def names(self) -> Names:
        """What messages call each entry of `decides()`."""
        ...
