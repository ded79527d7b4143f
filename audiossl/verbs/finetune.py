"""`audiossl.finetune`: an encoder, trained further on labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.verbs.run import Run, run_method

if TYPE_CHECKING:
    from torch import nn

    from audiossl.models.encoder import Encoder


def finetune(
    encoder: str | Path | Run | Encoder | nn.Module | None,
    recipe: object,
    overrides: Sequence[str] = (),
    *,
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
    verify: bool = False,
    **keys: object,
) -> Run:
    """Train an encoder with a head for transcripts (CTC) or tags, as a recipe of method finetune says, and score it.

    Args:
        encoder: encoder in place of the recipe's own: a run, a checkpoint, or whatever else `audiossl.load` takes. An object in
            memory is saved below `$AUDIOSSL_CACHE`, under the digest of its weights, unless its name leads to the same weights.
        recipe: YAML file, its folder or name ("asterisk/ctc"), the name of a task for data of one's own ("ctc"), or a
            `FinetuneRecipe`.
        overrides: `key=value` words over the recipe, as on the command line.
        first: run this stage and all later ones again.
        last: stop after this stage.
        dry_run: only say which stages would run and what they need.
        verify: run nothing, but check every stage's files against the digests that were recorded.
        keys: keys of the recipe, over all else: `output="runs/mine"`, `training={"max_steps": 100}`.

    Raises:
        ConfigError: for a recipe, encoder, key or value that does not exist.
        StoreError: if another run is at work on the output, or `verify` finds a difference.

    >>> finetune("runs/mine", "no/such_recipe")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: ...no/such_recipe...
    """
    if encoder is not None:
        keys["encoder"] = _name_of(encoder)
    return run_method("finetune", recipe, overrides, keys, first=first, last=last, dry_run=dry_run, verify=verify)


def _name_of(encoder: str | Path | Run | Encoder | nn.Module) -> str:
    """A name by which the run finds the encoder again when it is resumed."""
    if isinstance(encoder, str | Path):
        return str(encoder)
    if isinstance(encoder, Run):
        return str(encoder.folder)
    from audiossl.exporters.source import model_source, same_by_name
    from audiossl.signals.fetch import cache_folder

    source = model_source(encoder)  # first by name: beside a run's own weights lies what they were trained on
    return same_by_name(source.embedder) or source.kept(cache_folder() / "encoders" / source.embedder.digest)
