"""The stage `pretrain` of a SPEAR run: the student, its objective and its batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from audiossl.files import write_json
from audiossl.models import hub
from audiossl.models.student import FeatureStudent, use_training_devices
from audiossl.objectives.domains import DualLoss
from audiossl.objectives.frame_objectives import FrameObjectiveConfig, make_objective
from audiossl.objectives.masked_prediction import TokenStream
from audiossl.objectives.objective import Objective
from audiossl.pipelines.sides import open_split, read_sides
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.pipelines.spear.config import DataConfig, SpearRecipe, StudentConfig, targets_of
from audiossl.pipelines.start import Start
from audiossl.pipelines.unseen import check_unseen, trained_ids, write_trained_on
from audiossl.recipe import console
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.opening import open_corpus
from audiossl.stage import ADDED, StageConfig, hashed_by
from audiossl.tokens.store import TokenStore
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.world import World


@dataclass(frozen=True)
class PretrainStage(StageConfig):
    """What decides the student.

    Attributes:
        student, objective, training, data, seed: options as in the recipe.
        weights: weights of the streams in the loss, by name; the first is the main one.
        dual_loss: streams that are predicted, by domain.
        by_domain: whether the only stream is of the domain of its name; several always are.
        start: weights that training starts from; None for drawn ones.
    """

    student: StudentConfig
    objective: FrameObjectiveConfig
    training: TrainingConfig
    data: DataConfig
    weights: Mapping[str, float] = field(metadata={"name": "weights of streams"})
    seed: int
    dual_loss: DualLoss = field(default="asymmetric", metadata=hashed_by("tokens"))
    by_domain: bool = field(default=False, metadata=ADDED)
    start: Start | None = field(default=None, metadata=ADDED)

    @classmethod
    def of(cls, recipe: SpearRecipe) -> PretrainStage:
        """The stage of a recipe."""
        weights = {name: stream.weight for name, stream in recipe.token_streams.items()}
        return cls(
            recipe.student,
            recipe.objective,
            recipe.training,
            recipe.data,
            weights,
            recipe.seed,
            recipe.dual_loss,
            recipe.only_domain is not None,
            Start.of(recipe.start, recipe.norm_only),
        )

    @property
    def main_domain(self) -> str | None:
        """The domain whose recordings are utterances; None where all are."""
        return next(iter(self.weights)) if len(self.weights) > 1 or self.by_domain else None


def pretrain(out: Path, inputs: Mapping[str, Path], config: PretrainStage) -> None:
    """Pre-train the student on the training side; save it, and the same student with its first, random weights."""
    world = World.join()
    stores = {name: TokenStore.open(inputs["tokens"] / name) for name in config.weights}
    objective = build_objective(config, stores)
    student: Any = objective.encoder
    if world.is_first:
        hub.save(student, out / "random")
    train_side = open_split(inputs["corpus"], "train")
    trained_on = {item.id for item in train_side.items}
    if (start := config.start) is not None:
        check_unseen(read_sides(inputs["corpus"])["test"], start.name, Corpus.open(inputs["corpus"] / "corpus"))
        start.begin(student)
        trained_on |= trained_ids(start.name)
    training = replace(config.training, seed=config.seed)
    use_training_devices(student, config.student.devices, training.batch_seconds * training.accumulate * world.size)
    noise = _open_noise(config.data.noise, out / "noise_index", world)
    train = training_batches(config, train_side, stores, noise)
    valid = plain_batches(config, open_split(inputs["corpus"], "valid"), stores)
    result = fit(objective, train, training, out, validation=valid.fixed)
    failed = world.gather({name: str(error) for name, error in {**train.failed, **valid.failed}.items()})
    if not world.is_first:
        return
    hub.save(student, out / "student")
    write_trained_on(out / "student", trained_on)
    for name, error in {name: error for some in failed for name, error in some.items()}.items():
        console.print(f"{name} was left out of training: {error}", style="yellow", markup=False, soft_wrap=True)
    write_json(out / "result.json", {"steps": result.progress.step, "seconds": result.progress.seconds, **result.validation})


def build_objective(config: PretrainStage, stores: Mapping[str, TokenStore]) -> Objective:
    """Build the student, with random weights drawn from the seed, and the heads that predict the tokens of each store."""
    torch.manual_seed(derive_seed(config.seed, "student"))
    return make_objective(config.student.make(), streams_in(stores, config.weights), config.objective)


def streams_in(stores: Mapping[str, TokenStore], weights: Mapping[str, float]) -> dict[str, TokenStream]:
    """What the stores hold, and what it weighs in the loss."""
    return {
        name: TokenStream(store.frame_rate, store.num_codebooks, store.codebook_size, weights[name])
        for name, store in stores.items()
    }


def training_batches(
    config: PretrainStage, corpus: Corpus, stores: Mapping[str, TokenStore], noise: Corpus | None = None
) -> TokenBatches:
    """Batches of the training side, with its repeats and mixtures."""
    data = config.data
    return TokenBatches(
        corpus, stores, lambda item: targets_of(item, config.weights, config.dual_loss), config.training.batch_seconds,
        config.student.max_item_seconds, config.seed, mixing=data.mixing, noise=noise, repeats=data.repeats,
        main_domain=config.main_domain, loading=data,
    )  # fmt: skip


def plain_batches(config: PretrainStage, corpus: Corpus, stores: Mapping[str, TokenStore]) -> TokenBatches:
    """Batches of a corpus as it is."""
    return TokenBatches(
        corpus, stores, lambda item: targets_of(item, config.weights, config.dual_loss), config.training.batch_seconds,
        config.student.max_item_seconds, config.seed, loading=config.data,
    )  # fmt: skip


def _open_noise(noise: Path | None, index: Path, world: World) -> Corpus | None:
    """Open the noise; the first process goes ahead, so that one of them writes the index of shards."""
    if noise is None:
        return None
    if not world.is_first:
        world.wait()
    corpus = open_corpus(noise, index=index)
    if world.is_first:
        world.wait()
    return corpus


def check_training(config: PretrainStage) -> None:
    """Find mistakes in the options of the student and its objective; both are made for that where nothing else shows them.

    Raises:
        ConfigError: if an option is wrong.
    """
    if config.objective.kind is None and (check := config.student.check_options):
        check(config.student.preset, **config.student.overrides)  # torch's device meta takes seconds to import
        return
    student = without_weights(config.student)
    streams = {name: TokenStream(student.frame_rate, num_codebooks=1, weight=weight) for name, weight in config.weights.items()}
    with torch.random.fork_rng(devices=[]):
        make_objective(student, streams, config.objective)


def without_weights(config: StudentConfig) -> FeatureStudent:
    """Make a student that holds no weights, on torch's device `meta`; of a class that cannot be made there, one with weights.

    Raises:
        ConfigError: if an option is wrong.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return config.make()
        except (NotImplementedError, RuntimeError, TypeError):  # a class that computes numbers as it is made
            return config.make()
