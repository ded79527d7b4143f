"""Recordings and labels from the prepare script of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.pipelines.prepare_script import PrepareScript, load_script
from audiossl.signals.corpora.corpus import Corpus
from audiossl.stage import Names


@dataclass(frozen=True)
class ScriptSource:
    """A prepare script with `prepare_corpus` and, where the recipe has labels, `prepare_labels`.

    Attributes:
        path: of the script.
        script: the script, imported.
        data_root: folder of data that were unpacked by hand; None fetches them.
        limit: most items of each part of the data, for a smoke run.
    """

    path: Path
    script: PrepareScript
    data_root: Path | None = None
    limit: int | None = None

    @classmethod
    def load(
        cls,
        path: Path,
        data_root: Path | None = None,
        limit: int | None = None,
        functions: Sequence[str] = ("prepare_corpus", "prepare_labels"),
    ) -> ScriptSource:
        """Import a script that has these functions.

        Raises:
            ConfigError: if it does not exist or lacks one of them.
        """
        return cls(path, load_script(path, functions), data_root, limit)

    @property
    def name(self) -> str:
        """Path of the script."""
        return str(self.path)

    @property
    def data(self) -> tuple[Path, ...]:
        """The folder that was unpacked by hand, if there is one."""
        return (self.data_root,) if self.data_root else ()

    @property
    def labels(self) -> ScriptSource:
        """Itself: a script is one text."""
        return self

    def prepare_corpus(self, out: Path) -> None:
        """Let the script build the corpus."""
        self.script.module.prepare_corpus(out, self.data_root, self.limit)

    def prepare_labels(self, out: Path, corpus: Corpus) -> None:
        """Let the script write the labels."""
        self.script.module.prepare_labels(out, corpus, self.data_root, self.limit)

    def decides(self) -> list[object]:
        """The texts of its files, the folder of the data, and the limit."""
        return [*self.script.sources, str(self.data_root or ""), self.limit]

    def names(self) -> Names:
        """The files, and the two options."""
        return (*self.script.names, "data_root", "limit")
