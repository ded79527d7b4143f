"""Cuts that only lhotse itself can read: with transforms, of several files, mixed, or in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.signals.corpora.manifest import MEMBER, CorpusItem, CutError, Stretch, plain_custom, read_supervisions
from audiossl.signals.corpora.tar_index import TarMember

_FACTORS = ("Speed", "Tempo")  # transforms that change how long a sound lasts
_tried: dict[tuple[str, str, int], str] = {}  # kinds of transforms, and why they cannot be applied

T = TypeVar("T")


def item_of_line(line: Mapping[str, Any], folder: Path, sample_rate: int) -> CorpusItem:
    """Read a line of a manifest that takes lhotse to read; the item keeps the line, and lhotse makes a cut of it at each reading.

    Raises:
        CutError: as `item_of_cut`, or if lhotse makes no cut of it.
    """
    if "type" not in line:
        line = {**line, "type": "MultiCut" if isinstance(line.get("channel"), list) else "MonoCut"}
    # Features of the cut are not read, and may be of a type that is not installed.
    line = with_paths({key: value for key, value in line.items() if key != "features"}, folder)
    _check(line)
    text = json.dumps(line)
    entry = (line.get("custom") or {}).get(MEMBER)
    member = path = None
    if entry:
        member = TarMember(line["recording"]["sources"][0]["source"], entry["offset"], entry["size"])
        path = Path(member.place, entry["name"])
    return item_of_cut(_cut_of(text), folder, sample_rate, kept=text, member=member, path=path)


def item_of_cut(
    cut: Any, folder: Path, sample_rate: int, kept: str | None = None, member: TarMember | None = None, path: Path | None = None
) -> CorpusItem:
    """Describe a lhotse cut as an item that lhotse reads.

    Args:
        cut: cut of any type.
        folder: folder of the manifest.
        sample_rate: sample rate of the corpus, in Hz.
        kept: what the item keeps in place of the object, the line of the manifest.
        member: where the recording lies in a tar.
        path: path that names the item; by default the first file that is heard in it.

    Raises:
        CutError: if the cut has no recording, is the output of a command, or has a transform that cannot be applied.
    """
    if kept is None:
        _check(cut.to_dict())
    if not cut.has_recording:
        raise CutError("no_recording", f"cut '{cut.id}' has no recording; audio is needed, features alone cannot be used.")
    heard = () if member else tuple(_stretches(cut))
    channel = getattr(cut, "channel", None)
    channels = None if hasattr(cut, "tracks") or channel is None else [channel] if isinstance(channel, int) else list(channel)
    return CorpusItem(
        id=cut.id,
        path=path or (heard[0].path if heard else folder),
        start=0.0,
        duration=cut.duration,
        num_samples=max(1, round(cut.duration * sample_rate)),
        recording=getattr(getattr(cut, "recording", None), "id", cut.id),
        custom=plain_custom(getattr(cut, "custom", None)),
        member=member,
        cut=kept or cut,
        heard=heard,
        **read_supervisions([vars(supervision) for supervision in cut.supervisions], cut.duration, channels),
    )


def read_with_lhotse(item: CorpusItem, sample_rate: int) -> Float[Tensor, "S"]:
    """Read the whole cut of an item as mono, from its begin.

    Raises:
        DataError: if lhotse cannot.
    """
    try:
        cut = item.cut
        if isinstance(cut, str):
            cut = _cut_of(cut, None if item.member is None else item.member.read())
        samples = np.atleast_2d(cut.load_audio()).mean(axis=0, dtype=np.float32)
    except DataError:
        raise
    except Exception as error:  # lhotse has no error class of its own
        raise DataError(f"item '{item.id}': lhotse cannot read it ({type(error).__name__}: {error}).") from error
    if cut.sampling_rate != sample_rate:
        samples = soxr.resample(samples, cut.sampling_rate, sample_rate)
    if not np.isfinite(samples).all():
        raise DataError(f"item '{item.id}': a sample is not a finite number.")
    return torch.from_numpy(np.ascontiguousarray(samples))


def _cut_of(text: str, data: bytes | None = None) -> Any:
    """Make lhotse's object of a line; `data` are the bytes of its recording where that is a part of a tar."""
    from lhotse.serialization import deserialize_item

    line = json.loads(text)
    if MEMBER in (line.get("custom") or {}):
        line["recording"]["sources"][0]["type"] = "memory"
        line["recording"]["sources"][0]["source"] = data
    try:
        return deserialize_item(line)
    except Exception as error:  # lhotse has no error class of its own
        message = f"cut '{line.get('id', '?')}' is no cut that lhotse knows ({type(error).__name__}: {error})."
        raise CutError("unreadable", message) from error


def with_paths(node: T, folder: Path) -> T:
    """Copy a line of a manifest, its tracks and impulse responses too, with absolute paths.

    Relative ones are below the folder of the manifest if the file is there, else below the working folder, as lhotse takes them.
    """
    return cast(T, _with_paths(node, folder))


def _with_paths(node: object, folder: Path) -> object:
    if isinstance(node, list):
        return [_with_paths(part, folder) for part in node]
    if not isinstance(node, Mapping):
        return node
    copy = {key: _with_paths(part, folder) for key, part in node.items()}
    source = copy.get("source")
    if "channels" in copy and isinstance(source, str) and copy.get("type", "file") == "file" and not Path(source).is_absolute():
        below = folder / source
        copy["source"] = str((below if below.exists() else Path(source)).absolute())
    return copy


def _check(node: Any, cut: str | None = None, rate: int = 16_000) -> None:
    """Raise if anything in a line, a track or an impulse response say, would be handed to a shell, or cannot be applied.

    Raises:
        CutError: with the id of the cut.
    """
    if isinstance(node, list):
        for part in node:
            _check(part, cut, rate)
    elif isinstance(node, Mapping):
        cut = cut or str(node.get("id", "?"))
        rate = int(node.get("sampling_rate") or rate)
        source = node.get("source")
        if "source" in node and (node.get("type") == "command" or (isinstance(source, str) and source.startswith("pipe:"))):
            raise CutError("command", f"cut '{cut}' is the output of a command, and commands of a manifest are not run.")
        for part in node.values():
            _check(part, cut, rate)
        listed = node.get("transforms")
        for transform in listed if isinstance(listed, list) else []:
            if isinstance(transform, Mapping) and "name" in transform and (reason := _why_not(transform, rate)):
                what = f"the transform {transform['name']}, which lhotse cannot apply here: {reason}"
                raise CutError("transform", f"cut '{cut}' has {what}.")


def _parts(cut: Any) -> Iterator[Any]:
    """The cuts that a cut is made of, apart from what is mixed in at a signal-to-noise ratio."""
    for track in getattr(cut, "tracks", None) or ():
        if track.snr is None:
            yield from _parts(track.cut)
    if getattr(cut, "recording", None) is not None:
        yield cut


def _stretches(cut: Any) -> Iterator[Stretch]:
    for part in _parts(cut):
        factor = 1.0
        for transform in part.recording.transforms or []:
            about = transform if isinstance(transform, dict) else transform.to_dict()
            if about["name"] in _FACTORS:
                factor *= about["kwargs"]["factor"]
        wanted = {part.channel} if isinstance(part.channel, int) else set(part.channel)
        for source in part.recording.sources:
            if source.type == "file" and wanted & set(source.channels):
                yield Stretch(Path(source.source), part.start * factor, part.end * factor)


def _why_not(transform: Mapping[str, Any], sample_rate: int) -> str:
    """Try a transform on a second of noise, once for each kind: "" if it works, else the reason."""
    from lhotse.augmentation import AudioTransform

    # Another factor is of the same kind; another codec, or a generated room in place of a recorded one, is not.
    settings = {key: value for key, value in (transform.get("kwargs") or {}).items() if value is not None}
    kind = (transform["name"], str([value if isinstance(value, str) else key for key, value in settings.items()]), sample_rate)
    if kind not in _tried:
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, sample_rate)).astype(np.float32)
        try:
            AudioTransform.from_dict(dict(transform))(noise, sample_rate)
            _tried[kind] = ""
        except Exception as error:  # whatever the library behind it raises
            _tried[kind] = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    return _tried[kind]
