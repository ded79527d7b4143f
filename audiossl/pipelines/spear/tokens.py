"""The stages `quantiser`, `token_quality` and `tokens` of a SPEAR run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import write_json
from audiossl.objectives.domains import DualLoss
from audiossl.pipelines.sides import open_split
from audiossl.pipelines.spear.config import StreamConfig, TaskConfig, targets_of
from audiossl.pipelines.spear.data import of_domain
from audiossl.pipelines.spear.labels import frame_labels
from audiossl.pipelines.tokenise.corpus import QuantiserConfig, encode_corpus, fit_to_corpus, measure_tokens
from audiossl.recipe import console
from audiossl.stage import ADDED, FREE, StageConfig, hashed_by
from audiossl.teachers.teacher import Teacher, TeacherConfig, load_teacher, teacher_digest
from audiossl.tokens.factory import load_quantiser
from audiossl.training.devices import choose_device


@dataclass(frozen=True)
class StreamTokens:
    """What decides the tokens of a stream; `digest` is the teacher's, as one may be trained anew under its name."""

    teacher: TeacherConfig
    quantiser: QuantiserConfig
    digest: str

    @classmethod
    def of(cls, stream: StreamConfig) -> StreamTokens:
        """The tokens of a stream of a recipe."""
        return cls(stream.teacher, stream.quantiser, teacher_digest(stream.teacher))

    def decides(self) -> list[object]:
        """Its config, and the digest where there is one."""
        return [self.teacher, self.quantiser, *([self.digest] if self.digest else [])]


@dataclass(frozen=True)
class QuantiserStage(StageConfig):
    """What decides the quantisers.

    Attributes:
        streams: streams by name.
        seed: seed of the draw of recordings, and of the fit.
        by_domain: whether the only stream is fitted to recordings of the domain of its name; several always are.
        device: device of the teachers.
    """

    streams: Mapping[str, StreamTokens]
    seed: int
    by_domain: bool = field(default=False, metadata=ADDED)
    device: str = field(default="auto", metadata=FREE)

    def domain(self, name: str) -> str | None:
        """The domain that a stream is of; None where it is of all recordings."""
        return name if len(self.streams) > 1 or self.by_domain else None


@dataclass(frozen=True)
class QualityStage(StageConfig):
    """What decides the measurement of tokens; `tasks` may bring labels of frames."""

    streams: Mapping[str, StreamTokens]
    tasks: Sequence[TaskConfig] = field(metadata={"name": "evaluation.tasks"})
    seed: int
    quantisers: QuantiserStage = field(metadata=hashed_by("quantiser"))


@dataclass(frozen=True)
class TokensStage(StageConfig):
    """What decides the tokens of all recordings, and the recordings from which each stream is predicted."""

    streams: Mapping[str, StreamTokens]
    dual_loss: DualLoss
    device: str = field(default="auto", metadata=FREE)


def searches(streams: Mapping[str, StreamTokens], quality: str | None = None) -> dict[str, str]:
    """The searches that decide codes, for the `added` of a stage: those of training have the quality `default`."""
    found = sorted({stream.quantiser.search_name(quality) for stream in streams.values()} - {""})
    return {"search": ", ".join(found)} if found else {}


def searches_then(folder: Path) -> dict[str, str]:
    """The search of a folder that commit ba6cba2 wrote. Finished tokens stay; unfinished ones must not mix codes of two."""
    return {"search": "iterated local search"} if folder.name.endswith(".partial") else {}


def train_quantisers(out: Path, inputs: Mapping[str, Path], config: QuantiserStage) -> None:
    """Fit the quantiser of each stream to its teacher's frames of training recordings."""
    for name, stream in config.streams.items():
        training = of_domain(open_split(inputs["corpus"], "train"), config.domain(name))
        quantiser, _ = fit_to_corpus(
            _teacher(stream, config.device), training, stream.quantiser, stream.teacher.normalise, config.seed
        )
        quantiser.save(out / name / "quantiser")


def measure_streams(out: Path, inputs: Mapping[str, Path], config: QualityStage) -> None:
    """Measure the tokens of each stream on validation recordings, next to the labels of the first task on frames."""
    labelled = frame_labels(inputs["labels"], config.tasks)
    for name, stream in config.streams.items():
        valid = of_domain(open_split(inputs["corpus"], "valid"), config.quantisers.domain(name))
        quantiser = load_quantiser(inputs["quantiser"] / name / "quantiser", trust_code=stream.quantiser.kind)
        known = None
        if labelled and any(item.id in labelled[1] for item in valid.items):
            known = labelled[0].name, labelled[1]
        # Nothing of this side is among what the quantiser was fitted to.
        quality = measure_tokens(
            _teacher(stream, config.quantisers.device), quantiser, valid, (), known, stream.quantiser.quality, seed=config.seed
        )
        write_json(out / name / "quality.json", quality.to_json())
        for problem in quality.diagnostics.problems:
            console.print(f"[yellow]quantiser of {name}: {problem}[/yellow]")


def write_tokens(out: Path, inputs: Mapping[str, Path], config: TokensStage) -> None:
    """Tokenise every training and validation recording, with the streams that are predicted from it.

    Raises:
        DataError: if a recording could not be tokenised.
    """
    whole = open_split(inputs["corpus"], "train", "valid")
    for name, stream in config.streams.items():
        quantiser = load_quantiser(inputs["quantiser"] / name / "quantiser", trust_code=stream.quantiser.kind)
        corpus = whole.subset(item.id for item in whole.items if name in targets_of(item, config.streams, config.dual_loss))
        teacher = _teacher(stream, config.device)
        encoded = encode_corpus(teacher, quantiser, corpus, out / name, stream.quantiser.quality, append=True)
        if encoded.rejected:
            raise DataError(f"{len(encoded.rejected)} recordings could not be tokenised, see {out / name / 'rejected.jsonl'}")


def _teacher(stream: StreamTokens, device: str) -> Teacher:
    return load_teacher(stream.teacher, choose_device(device))
