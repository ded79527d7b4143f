"""`audiossl.run`: a recipe, as a file, by name or as a typed object, becomes a run."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError
from audiossl.evaluation.results import Results, read_results
from audiossl.options import replace_options

if TYPE_CHECKING:
    from audiossl.embedding.embedder import Embedder


@dataclass(frozen=True)
class Run:
    """A run: its folder, and what it holds.

    Attributes:
        folder: folder of the run, with a folder for each stage, `results.json` and `report.html`.

    >>> len(Run(Path("runs/nothing")).results)
    0
    """

    folder: Path

    @property
    def results(self) -> Results:
        """Rows of `results.json`; none where nothing was evaluated."""
        path = self.folder / "results.json"
        return Results(read_results(path) if path.is_file() else ())

    @property
    def encoder(self) -> Embedder:
        """The trained encoder.

        Raises:
            ConfigError: if the run holds none, or several.
        """
        from audiossl.load import load

        return load(self.folder)

    @property
    def report(self) -> Path | None:
        """The page of the run; None where there is none."""
        path = self.folder / "report.html"
        return path if path.is_file() else None

    def __repr__(self) -> str:
        report = f", report {self.report}" if self.report else ""
        return f"Run({str(self.folder)!r}: {len(self.results)} results{report})"

    def _repr_html_(self) -> str:
        folder = html.escape(str(self.folder))
        link = f'<a href="{html.escape(str(self.report))}">report</a>' if self.report else "no report"
        return f"<p><b>{folder}</b>: {link}</p>{self.results._repr_html_() if self.results else ''}"


def run(
    recipe: object,
    overrides: Sequence[str] = (),
    *,
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
    verify: bool = False,
    **keys: object,
) -> Run:
    """Run the stages of a recipe that are not up to date; unchanged finished work is kept.

    Args:
        recipe: YAML file, its folder or name ("asterisk/spear"), the name of a method for data of one's own ("spear"), or a
            typed config such as `SpearRecipe`.
        overrides: `key=value` words over the recipe, as on the command line.
        first: run this stage and all later ones again.
        last: stop after this stage.
        dry_run: only say which stages would run and what they need.
        verify: run nothing, but check every stage's files against the digests that were recorded.
        keys: keys of the recipe, over all else: `output="runs/mine"`, `training={"max_steps": 100}`.

    Raises:
        ConfigError: for a recipe, key, value, stage or device that does not exist, or an output that cannot be written.
        StoreError: if another run is at work on the output, or `verify` finds a difference.

    >>> run("no/such_recipe")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: ...no/such_recipe...
    """
    return run_method(None, recipe, overrides, keys, first=first, last=last, dry_run=dry_run, verify=verify)


def run_method(
    method: str | None,
    recipe: object,
    overrides: Sequence[str],
    keys: Mapping[str, object],
    *,
    first: str | None,
    last: str | None,
    dry_run: bool,
    verify: bool,
) -> Run:
    """Run a recipe that must be of one method, where one is given; see `run`."""
    from audiossl.pipelines.catalogue import read_config, run_config

    if isinstance(recipe, str | Path):
        config, file = read_config(Path(recipe), overrides, keys, only=method)
    elif dataclasses.is_dataclass(recipe) and not isinstance(recipe, type):
        config, file = replace_options(recipe, keys), None
        if overrides:
            raise ConfigError("key=value words are for a recipe by name; give keywords, such as training={'max_steps': 100}")
    else:
        raise ConfigError(f"expected a recipe by name, its file, or a config such as SpearRecipe, got {recipe!r}")
    return Run(run_config(config, file, first=first, last=last, dry_run=dry_run, verify=verify))
