"""Embed labelled recordings with the student and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.extract import describe
from audiossl.embedding.store_writer import StoreWriter
from audiossl.files import read_jsonl, write_json
from audiossl.models import hub
from audiossl.pipelines.spear.config import StreamConfig, StudentConfig, TaskConfig
from audiossl.pipelines.spear.labels import label_file
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.stage import FREE, Names, StageConfig, hashed_by
from audiossl.teachers.logmel import LogMelEncoder
from audiossl.teachers.teacher import TeacherConfig, load_teacher
from audiossl.training.devices import choose_device

GROUP = 64


@dataclass(frozen=True)
class EmbedStage(StageConfig):
    """What decides the stored frames and vectors of all models: the tasks, and what the earlier stages made.

    Attributes:
        tasks: whose labelled recordings are embedded.
        teachers: of the streams, by name in results.
        student: kind of the student.
        device: of all models.
    """

    tasks: Sequence[TaskConfig]
    teachers: Mapping[str, TeacherConfig] = field(metadata=hashed_by("quantiser"))
    student: StudentConfig = field(metadata=hashed_by("pretrain"))
    device: str = field(default="auto", metadata=FREE)

    def decides(self) -> list[TaskConfig]:
        """The tasks themselves, not a list that holds their list."""
        return list(self.tasks)

    def names(self) -> Names:
        """Names of the tasks."""
        return tuple(f"evaluation.tasks.{task.name}" for task in self.tasks)


def teacher_models(streams: Mapping[str, StreamConfig]) -> dict[str, TeacherConfig]:
    """Teachers by their name in results: `teacher` is that of the main stream, `teacher_NAME` that of another."""
    return {"teacher" if place == 0 else f"teacher_{name}": streams[name].teacher for place, name in enumerate(streams)}


def embed_models(out: Path, inputs: Mapping[str, Path], config: EmbedStage) -> None:
    """Store, for every model, the frames of recordings with labels inside them and pooled vectors of those with one label."""
    corpus, device = Corpus.open(inputs["corpus"] / "corpus"), choose_device(config.device)
    embedders: dict[str, tuple[Embedder, list[int]]] = {}
    for name in ("student", "random"):
        embedder = Embedder(hub.load(inputs["pretrain"] / name, trust_code=config.student.kind), name).to(device)
        embedders[name] = embedder, list(range(embedder.num_layers))
    for name, teacher_config in config.teachers.items():
        teacher = load_teacher(teacher_config, device)
        embedders[name] = teacher.embedder, [teacher.layer]
    embedders["logmel"] = Embedder(LogMelEncoder(stride=2), "logmel").to(device), [0]
    for contents in ("frames", "pooled"):
        tasks = [task for task in config.tasks if task.task.reads == contents]
        ids = {row["id"] for task in tasks for row in read_jsonl(label_file(inputs["labels"], task))}
        items = sorted(corpus.subset(ids).items, key=lambda item: item.num_samples)
        for name, (embedder, layers) in embedders.items() if items else ():
            embed_items(embedder, layers, corpus, items, out / contents / name, pooled=contents == "pooled")
    write_json(out / "layers.json", {name: layers for name, (_, layers) in embedders.items()})


def embed_items(
    embedder: Embedder, layers: list[int], corpus: Corpus, items: Sequence[CorpusItem], folder: Path, pooled: bool
) -> None:
    """Embed recordings of a corpus into a store."""
    groups = [items[first : first + GROUP] for first in range(0, len(items), GROUP)]
    with StoreWriter(folder, describe(embedder, layers, "mean" if pooled else None)) as writer:
        for group in track(groups, f"embed {folder.name}", console=console, disable=not console.is_terminal):
            embeddings = embedder.embed([corpus.read(item) for item in group], corpus.sample_rate, layers=layers)
            for item, embedding in zip(group, embeddings, strict=True):
                writer.add(item.id, embedding.frames.numpy(), path=str(item.path))
