"""`audiossl.finetune`: an encoder, trained further on labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.verbs.run import Run, run_method


def finetune(
    encoder: str | Path | None,
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
        encoder: encoder in place of the recipe's own: a run, a checkpoint, or another name that `audiossl.load` knows.
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
        keys["encoder"] = str(encoder)
    return run_method("finetune", recipe, overrides, keys, first=first, last=last, dry_run=dry_run, verify=verify)
