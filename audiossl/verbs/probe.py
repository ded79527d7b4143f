"""`audiossl.probe`: what a frozen model's vectors say of a label, on groups that the probe never saw."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

    from audiossl.embedding.embedder import Layers
    from audiossl.embedding.wanted import Place
    from audiossl.evaluation.results import ResultRow, Results
    from audiossl.models.encoder import Encoder
    from audiossl.signals.corpora.recordings import Recording

SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
FEW_GROUPS = 12  # so many or fewer are tested in turn, for a fifth of them says little


@dataclass(frozen=True)
class _Clip:
    """What a split looks at."""

    id: str
    path: Path
    custom: Mapping[str, str]


def probe(
    model: str | Path | Encoder | nn.Module,
    paths: Place | Sequence[Place],
    label: str,
    *,
    group: str | None = None,
    table: str | Path | None = None,
    where: str | None = None,
    layers: Layers = "all",
    output: str | Path | None = None,
    device: str | None = None,
    seed: int = 1,
    attentive: bool = False,
) -> Results:
    """Score a frozen model on a label of recordings: linear probe and nearest neighbours, with chance and majority next to them.

    A probe is fitted to 70 % of the groups and tested once on 20 %; layer, regularisation and number of neighbours are chosen on
    the other 10 %. With 3 to 12 groups each group is tested in turn by a linear probe that never saw it.

    Args:
        model: whatever `audiossl.load` takes: a name, a folder, or an encoder.
        paths: recordings, as in `audiossl.embed`.
        label: column, speaker, language or custom field that is to be predicted, as classes; "folder" is the name of a file's.
        group: column or field whose values stay on one side, such as a session or a person; by default the file.
        table: rows that are joined to the recordings, as in `audiossl.embed`.
        where: condition on the columns, such as "age < 30".
        layers: layers that are compared on the validation side: "all", "last", or numbers.
        output: folder of the embedding store, which the same call reads again; by default nothing is kept.
        device: device to embed on; None leaves an encoder where it is, and loads names on the CPU.
        seed: seed of the split.
        attentive: also fit a probe that attends to frames of all layers (`attentive_accuracy`), for more than 12 groups.

    Returns:
        Rows of `accuracy` and `knn_accuracy` of the model, with 95 % intervals over groups, and of `chance` and `majority`.

    Raises:
        ConfigError: if there is no such column, field, layer or device.
        DataError: if the labels are a quantity or of one class, or there are too few groups.

    >>> import numpy, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for number in range(24):
    ...     tone = numpy.sin(numpy.arange(4000) * (0.1 + number % 2)) / 9
    ...     (folder / "ab"[number % 2]).mkdir(exist_ok=True)
    ...     soundfile.write(folder / "ab"[number % 2] / f"{number}.wav", tone * (number + 9) / 40, 16_000)
    >>> rows = probe("logmel", folder, "folder")
    >>> rows.where(model="logmel", metric="accuracy")[0].value
    1.0
    """
    from audiossl.embedding.wanted import gather_wanted
    from audiossl.errors import ConfigError
    from audiossl.evaluation.attentive_tasks import AttentiveClipTask
    from audiossl.evaluation.clip_task import CLIP_READOUT, ClipTask
    from audiossl.evaluation.folded_clip_task import FoldedClipTask
    from audiossl.evaluation.results import Results
    from audiossl.evaluation.splits import Splits
    from audiossl.load import load
    from audiossl.pipelines.own.column_labels import cells_of, check_column, column_labels
    from audiossl.pipelines.own.tasks import parse_tasks
    from audiossl.signals.corpora.splits import split_by
    from audiossl.verbs.devices import load_on
    from audiossl.verbs.embed import embed

    embedder = load(model) if device is None else load_on(model, device)
    recordings = gather_wanted(embedder, paths, table=table, where=where).by_id
    [wanted] = parse_tasks([label])
    cells = cells_of(recordings.values())
    labels = column_labels(wanted, cells)
    groups = _groups(recordings, group, cells)
    labels = {id_: value for id_, value in labels.items() if id_ in groups}
    check_column(wanted, labels, groups, group or "recording")
    dataset, name = _name_of(paths), wanted.name
    num_groups = len({groups[id_] for id_ in labels})
    if attentive and num_groups <= FEW_GROUPS:
        raise ConfigError(f"an attentive probe needs more than {FEW_GROUPS} groups for three sides, got {num_groups}")
    with tempfile.TemporaryDirectory() if output is None else nullcontext(str(output)) as folder:
        store = embed(embedder, paths, folder, layers=layers, pool=None if attentive else "mean", table=table, where=where)
        labels = {id_: value for id_, value in labels.items() if id_ in store}
        groups = {id_: groups[id_] for id_ in labels}
        if 3 <= len(set(groups.values())) <= FEW_GROUPS:
            folded = FoldedClipTask(dataset, name, labels, groups)
            outcome, _ = folded.score(embedder.name, store, CLIP_READOUT)
            return Results([*outcome.rows, *_guesses(dataset, name, labels, groups, list(labels), list(labels))])
        clips = [_Clip(id_, recordings[id_].path, {"group": value}) for id_, value in groups.items()]
        sides = split_by(clips, "group", dict(SHARES), seed)
        splits = Splits({"train": sides["train"], "valid": sides["valid"], "test": sides["test"]}, groups)
        kind = AttentiveClipTask if attentive else ClipTask
        outcome, _ = kind(dataset, name, labels, splits).score(embedder.name, store, CLIP_READOUT)
        return Results([*outcome.rows, *_guesses(dataset, name, labels, groups, sides["train"], sides["test"])])


def _groups(recordings: Mapping[str, Recording], group: str | None, cells: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """The group of each recording that has one."""
    from audiossl.errors import ConfigError
    from audiossl.options import nearest

    if group is None:
        return {id_: str(one.path) for id_, one in recordings.items()}
    found = {id_: str(row[group]) for id_, row in cells.items() if row.get(group) not in (None, "")}
    if not found:
        columns = list(dict.fromkeys(name for row in cells.values() for name in row))
        raise ConfigError(f"group: no recording has '{group}'{nearest(group, columns)}; they have {', '.join(columns[:20])}")
    return found


def _guesses(
    dataset: str, task: str, labels: Mapping[str, str], groups: Mapping[str, str], train: Sequence[str], test: Sequence[str]
) -> list[ResultRow]:
    from audiossl.evaluation.guesses import guess_rows

    sides: dict[Literal["train", "test"], list[str]] = {"train": [labels[id_] for id_ in train]}
    sides["test"] = [labels[id_] for id_ in test]
    return guess_rows(dataset, task, sides, [groups[id_] for id_ in test])


def _name_of(paths: Place | Sequence[Place]) -> str:
    """What results call recordings: the name of the only path, or "corpus"."""
    only = paths if isinstance(paths, str | Path) else paths[0] if isinstance(paths, list | tuple) and len(paths) == 1 else None
    return Path(only).stem if isinstance(only, str | Path) else "corpus"
