"""Embeddings of a HEAR task's files, made once for a model and kept as float32 arrays."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from audiossl.errors import DataError
from audiossl.evaluation.hear.events import frame_labels
from audiossl.evaluation.hear.model import SAMPLE_RATES, HearModel, get_scene_embeddings
from audiossl.evaluation.hear.protocol import Split
from audiossl.evaluation.hear.task import HearTask
from audiossl.files import map_array, read_json, whole_file, write_json
from audiossl.progress import Report, silent
from audiossl.signals.audio import probe, read_audio

MAX_BATCH_SECONDS = 84.0  # the kit's estimate of what fits, at 16 kHz


def embed_task(model: HearModel, task: HearTask, folder: Path, progress: Report = silent) -> dict[str, Split]:
    """Embed the files of every split, or read what an earlier call with the same model and files left in `folder`.

    Args:
        model: model with its layers and pooling.
        task: task whose audio lies in FOLDER/RATE/SPLIT; where there is none at the model's rate, that of a higher one is
            resampled.
        folder: folder of the arrays.
        progress: function that is called with the split, how many files are done and how many there are.

    Raises:
        DataError: if audio is missing, has another rate than its folder says or is shorter than a frame; the message names it.
    """
    order = random.Random(0)  # the kit's, over all splits in turn
    splits = {}
    for name in task.splits:
        files = task.files(name)
        order.shuffle(files)
        splits[name] = _embed_split(model, task, name, files, folder, progress)
    return splits


def _embed_split(model: HearModel, task: HearTask, split: str, files: list[str], folder: Path, progress: Report) -> Split:
    audio, rate = audio_folder(task, split, model.sample_rate)
    key = _key(model, task, audio, files)
    array, about = folder / f"{split}.npy", folder / f"{split}.json"
    if not (array.is_file() and about.is_file() and read_json(about).get("key") == key):
        about.unlink(missing_ok=True)
        rows: list[Float32[np.ndarray, "T D"]] = []
        times: list[list[float]] = []
        for clips in _batches(audio, files, rate, model.sample_rate):
            for name, vectors, at in zip(clips, *_embed(model, task, audio, clips), strict=True):
                if not np.isfinite(vectors).all():
                    raise DataError(f"{audio / name}: expected finite embeddings, got NaN or infinity: the model is broken")
                rows.append(vectors)
                times.append(at)
            progress(split, len(rows), len(files))
        with whole_file(array) as partial, partial.open("wb") as file:
            np.save(file, np.concatenate(rows))
        write_json(about, {"key": key, "frames": [len(vectors) for vectors in rows], "times": times})
    values = read_json(about)
    return _split(task, split, files, map_array(array), values["frames"], values["times"])


def audio_folder(task: HearTask, split: str, sample_rate: int) -> tuple[Path, int]:
    """Folder of a split's audio and its rate: the model's, or the lowest of HEAR's rates above it.

    Raises:
        DataError: if there is none.
    """
    for rate in (sample_rate, *(rate for rate in SAMPLE_RATES if rate > sample_rate)):
        if (folder := task.folder / str(rate) / split).is_dir():
            return folder, rate
    present = sorted(path.parent.name for path in task.folder.glob(f"*/{split}") if path.is_dir())
    raise DataError(
        f"{task.folder}: expected audio of {split} at {sample_rate} Hz in {sample_rate}/{split}, or at a higher rate; "
        f"there is {', '.join(present) or 'none'}"
    )


def _key(model: HearModel, task: HearTask, audio: Path, files: list[str]) -> str:
    described = [model.embedder.digest, model.layers, model.pooling, task.embedding_type]
    for name in files:
        path = audio / name
        if not path.is_file():
            raise DataError(f"{path} is missing; its split's JSON names it")
        status = path.stat()
        described.append([name, status.st_size, status.st_mtime_ns])
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


def _batches(audio: Path, files: list[str], rate: int, model_rate: int) -> Iterator[list[str]]:
    """Files in order, in runs of equal length: a module of HEAR takes clips of one length."""
    batch: list[str] = []
    length = 0
    for name in files:
        info = probe(audio / name)
        if info.sample_rate != rate:
            raise DataError(f"{audio / name}: expected {rate} Hz, as its folder says, got {info.sample_rate} Hz")
        room = len(batch) + 1 <= MAX_BATCH_SECONDS * 16000 / model_rate / max(info.duration, 1e-3)
        if batch and (info.num_samples != length or not room):
            yield batch
            batch = []
        batch, length = [*batch, name], info.num_samples
    if batch:
        yield batch


def _embed(
    model: HearModel, task: HearTask, audio: Path, clips: list[str]
) -> tuple[list[Float32[np.ndarray, "T D"]], list[list[float]]]:
    """Vectors of each clip, one row for a scene, and the milliseconds of its frames."""
    signal = torch.stack([read_audio(audio / name, model.sample_rate)[0] for name in clips])
    hop = model.hop
    if signal.shape[1] < hop:
        raise DataError(f"{audio / clips[0]}: {signal.shape[1]} samples are less than a frame of the model ({hop:g} samples)")
    if task.embedding_type == "scene":
        vectors = get_scene_embeddings(signal, model)
        return [row[None] for row in vectors.float().numpy()], [[] for _ in clips]
    frames, times = model(signal)
    return [clip.float().numpy() for clip in frames], [times.tolist() for _ in clips]


def _split(
    task: HearTask,
    split: str,
    files: list[str],
    embeddings: Float32[np.ndarray, "N D"],
    counts: list[int],
    times: list[list[float]],
) -> Split:
    place = {label: number for number, label in enumerate(task.vocabulary)}
    if task.embedding_type == "scene":
        targets = np.zeros((len(files), len(place)), dtype=bool)
        for row, name in zip(targets, files, strict=True):
            row[[place[label] for label in task.labels[split][name]]] = True
        return Split(embeddings, targets, files)
    targets = np.concatenate([
        frame_labels(task.events[split][name], np.array(at, dtype=np.float32), task.vocabulary)
        for name, at in zip(files, times, strict=True)
    ])  # fmt: skip
    names = [name for name, count in zip(files, counts, strict=True) for _ in range(count)]
    return Split(embeddings, targets, names, np.concatenate([np.array(at) for at in times]))
