"""What an encoder was pre-trained on, and what those were that it comes from, as its config says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

CONTINUES, MATCHED_BY = "start", "matched_by"  # encoders that it started from, and whose matches it learned from


def trainings(origin: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The pre-training of an encoder, and that of every encoder that it comes from.

    Args:
        origin: what the config of the encoder says under `pretrained_on`.

    >>> [training["dataset"] for training in trainings({"dataset": "few", "start": {"dataset": "many"}})]
    ['few', 'many']
    """
    if not origin:
        return
    yield origin
    for key in (CONTINUES, MATCHED_BY):
        if isinstance(earlier := origin.get(key), Mapping):
            yield from trainings(earlier)


def people_of(origin: Mapping[str, object], dataset: str) -> set[str]:
    """People of a data set whom an encoder, or one that it comes from, was pre-trained on.

    >>> sorted(people_of({"dataset": "few", "subjects": ["a"], "start": {"dataset": "many", "subjects": ["b", "c"]}}, "many"))
    ['b', 'c']
    """
    found: set[str] = set()
    for training in trainings(origin):
        names = training.get("subjects")
        if training.get("dataset") == dataset and isinstance(names, list):
            found.update(map(str, names))
    return found
