"""What runs of commit ba6cba2 say of themselves elsewhere than in the record of a stage."""

from __future__ import annotations

from pathlib import Path

from audiossl.files import read_json


def dataset_then(stage: Path) -> dict[str, object]:
    """The data set that a model of a sensor or connectivity run was trained on, as `{"dataset": name}`; empty if it is not known.

    An encoder says it in its config, and the run in its `recipe.json`, which was written when it ended.
    """
    places = [*sorted(stage.glob("seed*/encoder/config.json"))[:1], stage.parent / "recipe.json"]
    for place, key in zip(places, (["pretrained_on"] * (len(places) - 1)) + ["config"], strict=True):
        try:
            return {"dataset": read_json(place)[key]["dataset"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}
