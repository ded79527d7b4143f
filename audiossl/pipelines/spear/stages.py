"""The SPEAR pipeline (arXiv 2510.25955) as stages: corpus, labels, quantiser, token_quality, tokens, pretrain, embed, evaluate,
report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audiossl.errors import DataError
from audiossl.files import read_json, write_json
from audiossl.models import hub
from audiossl.models.zipformer import Zipformer
from audiossl.models.zipformer_config import preset_config
from audiossl.objectives.masked_features import MaskedFeatures
from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream
from audiossl.pipelines.prepare_script import load_script
from audiossl.pipelines.spear.batches import TokenBatches
from audiossl.pipelines.spear.config import SpearRecipe, StreamConfig
from audiossl.pipelines.spear.embedding import embed_models
from audiossl.pipelines.spear.label_checks import check_labels
from audiossl.pipelines.spear.report import report_run
from audiossl.pipelines.spear.tasks import evaluate_models
from audiossl.pipelines.tokenise.corpus import encode_corpus, fit_to_corpus, measure_tokens, read_segments
from audiossl.pipelines.unseen import write_trained_on
from audiossl.recipe import Stage, console
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.opening import open_corpus
from audiossl.signals.corpora.splits import say_copies_across, split_by
from audiossl.teachers.teacher import load_teacher, teacher_digest
from audiossl.tokens.factory import check_options, load_quantiser
from audiossl.tokens.store import TokenStore
from audiossl.training.devices import choose_device
from audiossl.training.fit import fit
from audiossl.world import World


def stages(config: SpearRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe, up to pre-training where it has no tasks; `folder` is that of its YAML and its script."""
    script = folder / config.prepare
    loaded = load_script(script)
    prepare, source = loaded.module, [*loaded.sources, str(config.data_root or ""), config.limit]
    source_names, data = (*loaded.names, "data_root", "limit"), (config.data_root,) if config.data_root else ()
    noise = (config.data.noise,) if config.data.noise else ()
    tasks = config.evaluation.tasks
    preset_config(
        config.student.preset, **config.student.overrides
    )  # mistakes in options are better found now than at their stage
    for stream in config.token_streams.values():
        check_options(stream.quantiser.kind, stream.quantiser.options)

    def corpus(out: Path, inputs: Mapping[str, Path]) -> None:
        prepare.prepare_corpus(out / "corpus", config.data_root, config.limit)
        write_json(out / "splits.json", divide(Corpus.open(out / "corpus"), config))

    def labels(out: Path, inputs: Mapping[str, Path]) -> None:
        opened = Corpus.open(inputs["corpus"] / "corpus")
        prepare.prepare_labels(out, opened, config.data_root, config.limit)
        check_labels(out, opened, read_json(inputs["corpus"] / "splits.json"), config, script)

    def quantiser(out: Path, inputs: Mapping[str, Path]) -> None:
        train_quantiser(out, inputs, config)

    def token_quality(out: Path, inputs: Mapping[str, Path]) -> None:
        measure_streams(out, inputs, config)

    def tokens(out: Path, inputs: Mapping[str, Path]) -> None:
        write_tokens(out, inputs, config)

    def pretrain(out: Path, inputs: Mapping[str, Path]) -> None:
        train_student(out, inputs, config)

    def embed(out: Path, inputs: Mapping[str, Path]) -> None:
        embed_models(out, inputs, config, device_of(config))

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config)

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config)

    seed = config.seed
    streams = {name: _decides_tokens(stream) for name, stream in config.token_streams.items()}
    weights = {name: stream.weight for name, stream in config.token_streams.items()}
    training = [
        Stage("corpus", corpus, [source, config.split, seed], names=(source_names, "split", "seed"), data=data),
        Stage("labels", labels, [source, tasks], ("corpus",), names=(source_names, "evaluation.tasks"), data=data),
        # A stage of its own, so that another probe costs a measurement and not the student.
        Stage("quantiser", quantiser, [streams, seed], ("corpus",), version=3, names=("streams", "seed")),
        Stage(
            "token_quality",
            token_quality,
            [streams, tasks, seed],
            ("corpus", "labels", "quantiser"),
            names=("streams", "evaluation.tasks", "seed"),
        ),
        Stage(
            "tokens",
            tokens,
            [streams, config.dual_loss],
            ("corpus", "quantiser"),
            resumable=True,
            version=3,
            names=("streams", "dual_loss"),
        ),
        Stage(
            "pretrain",
            pretrain,
            [config.student, config.objective, config.training, config.data, weights, seed],
            ("corpus", "tokens"),
            resumable=True,
            every_rank=True,
            version=2,
            names=("student", "objective", "training", "data", "weights of streams", "seed"),
            data=noise,
        ),
    ]
    if not tasks:  # nothing to score, and nothing to report
        return training
    before = tuple(stage.name for stage in training)
    return [
        *training,
        Stage("embed", embed, tasks, ("corpus", "labels", "quantiser", "pretrain")),
        Stage(
            "evaluate",
            evaluate,
            [config.dataset, config.evaluation, config.split, seed],
            ("corpus", "labels", "embed"),
            version=2,
            names=("dataset", "evaluation", "split", "seed"),
        ),
        Stage("report", report, [config], (*before, "embed", "evaluate"), names=("recipe",)),
    ]


def check_prepared(config: SpearRecipe, output: Path) -> None:
    """Check the labels that a run made already."""
    corpus = Corpus.open(output / "corpus" / "corpus")
    check_labels(output / "labels", corpus, read_json(output / "corpus" / "splits.json"), config, Path(config.prepare))


def _decides_tokens(stream: StreamConfig) -> list[Any]:
    """What decides a stream's tokens: its config, and the weights of a teacher that may be trained anew under its name."""
    digest = teacher_digest(stream.teacher)
    return [stream.teacher, stream.quantiser, *([digest] if digest else [])]


def open_split(corpus_stage: Path, *sides: str) -> Corpus:
    """Open the items of some sides of the split."""
    ids = read_json(corpus_stage / "splits.json")
    return Corpus.open(corpus_stage / "corpus").subset(id_ for side in sides for id_ in ids[side])


def device_of(config: SpearRecipe) -> torch.device:
    """The device of training, which the teacher and the embedding use as well."""
    return choose_device(config.training, World())


def divide(corpus: Corpus, config: SpearRecipe) -> dict[str, list[str]]:
    """Ids of the training, validation and test side."""
    if config.split.given is None:
        fractions = {"train": config.split.train, "valid": config.split.valid, "test": config.split.test}
        return split_by(corpus.items, config.split.by, fractions, config.seed)
    sides: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    said: dict[str, int] = {}
    for item in corpus.items:
        side = str(item.custom.get(config.split.given))
        said[side] = said.get(side, 0) + 1
        sides[side if side in sides else "test"].append(item.id)
    if empty := [side for side in ("train", "valid") if not sides[side]]:
        values = ", ".join(f"{side} ({count})" for side, count in sorted(said.items())[:8])
        raise DataError(
            f"split.given={config.split.given}: no recording says {' or '.join(empty)} in that field; they say {values}. "
            "Correct the field, or draw the sides: split.given=null"
        )
    say_copies_across(corpus.items, sides, f"the recipe gives sides by split.given={config.split.given}")
    return sides


def train_quantiser(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Fit the quantiser of each stream to its teacher's frames of training recordings."""
    for name, stream in config.token_streams.items():
        teacher = load_teacher(stream.teacher, device_of(config))
        training = _of_domain(open_split(inputs["corpus"], "train"), name, config)
        quantiser, _ = fit_to_corpus(teacher, training, stream.quantiser, stream.teacher.normalise, config.seed)
        quantiser.save(out / name / "quantiser")


def measure_streams(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Measure the tokens of each stream on validation recordings, beside the labels of the first task on frames."""
    task = next((task for task in config.evaluation.tasks if task.kind == "frames"), None)
    labels = read_segments(inputs["labels"] / f"{task.name}.jsonl") if task else {}
    for name, stream in config.token_streams.items():
        teacher = load_teacher(stream.teacher, device_of(config))
        valid = _of_domain(open_split(inputs["corpus"], "valid"), name, config)
        quantiser = load_quantiser(inputs["quantiser"] / name / "quantiser")
        known = (task.name, labels) if task and any(item.id in labels for item in valid.items) else None
        # Nothing of this side is among what the quantiser was fitted to.
        quality = measure_tokens(teacher, quantiser, valid, (), known, stream.quantiser.quality, seed=config.seed)
        write_json(out / name / "quality.json", quality.to_json())
        for problem in quality.diagnostics.problems:
            console.print(f"[yellow]quantiser of {name}: {problem}[/yellow]")


def write_tokens(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Tokenise every recording that is trained or validated on, with the streams that are predicted from it."""
    whole = open_split(inputs["corpus"], "train", "valid")
    for name, stream in config.token_streams.items():
        teacher = load_teacher(stream.teacher, device_of(config))
        quantiser = load_quantiser(inputs["quantiser"] / name / "quantiser")
        corpus = whole.subset(item.id for item in whole.items if name in config.targets(item))
        encoded = encode_corpus(teacher, quantiser, corpus, out / name, stream.quantiser.quality, append=True)
        if encoded.rejected:
            raise DataError(f"{len(encoded.rejected)} recordings could not be tokenised, see {out / name / 'rejected.jsonl'}")


def train_student(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Pre-train the student on the training side; save it, and the same student with its first, random weights."""
    world = World.join()
    stores = {name: TokenStore.open(inputs["tokens"] / name) for name in config.token_streams}
    objective = make_objective(config, stores)
    student: Any = objective.student
    if world.is_first:
        hub.save(student, out / "random")
    training = replace(config.training, seed=config.seed)
    student.use_training_devices(config.student.devices, training.batch_seconds * training.accumulate * world.size)
    noise = _open_noise(config, out / "noise_index", world)
    train = training_batches(config, open_split(inputs["corpus"], "train"), stores, noise)
    valid = plain_batches(config, open_split(inputs["corpus"], "valid"), stores)
    result = fit(objective, train, training, out, steps_per_epoch=train.steps_per_epoch, validation=valid.fixed)
    failed = world.gather({name: str(error) for name, error in {**train.failed, **valid.failed}.items()})
    if not world.is_first:
        return
    hub.save(student, out / "student")
    write_trained_on(out / "student", (item.id for item in open_split(inputs["corpus"], "train").items))
    for name, error in {name: error for some in failed for name, error in some.items()}.items():
        console.print(f"[yellow]{name} was left out of training: {error}[/yellow]")
    write_json(out / "result.json", {"steps": result.progress.step, "seconds": result.progress.seconds, **result.validation})


def make_objective(config: SpearRecipe, stores: Mapping[str, TokenStore]) -> MaskedTokens | MaskedFeatures:
    """Build the student, with random weights drawn from the seed, and the heads that predict the tokens of each store."""
    torch.manual_seed(derive_seed(config.seed, "student"))
    student = Zipformer.from_preset(config.student.preset, **config.student.overrides)
    streams = {
        name: TokenStream(store.frame_rate, store.num_codebooks, store.codebook_size, config.token_streams[name].weight)
        for name, store in stores.items()
    }
    if config.objective.targets == "features":
        return MaskedFeatures(student, student.config.num_mel_bins, config.objective)
    return MaskedTokens(student, streams, config.objective)


def training_batches(
    config: SpearRecipe, corpus: Corpus, stores: Mapping[str, TokenStore], noise: Corpus | None = None
) -> TokenBatches:
    """Batches of the training side, with its repeats and mixtures."""
    data, main_domain = config.data, next(iter(config.streams), None)
    return plain_batches(config, corpus, stores, mixing=data.mixing, noise=noise, repeats=data.repeats, main_domain=main_domain)


def plain_batches(config: SpearRecipe, corpus: Corpus, stores: Mapping[str, TokenStore], **options: Any) -> TokenBatches:
    """Batches of a corpus as it is."""
    return TokenBatches(
        corpus, stores, config.targets, config.training.batch_seconds, config.student.max_item_seconds, config.seed, **options
    )


def _open_noise(config: SpearRecipe, index: Path, world: World) -> Corpus | None:
    """Open the noise; the first process goes ahead, so that one of them writes the index of shards."""
    if config.data.noise is None:
        return None
    if not world.is_first:
        world.wait()
    noise = open_corpus(config.data.noise, index=index)
    if world.is_first:
        world.wait()
    return noise


def _of_domain(corpus: Corpus, name: str, config: SpearRecipe) -> Corpus:
    """The recordings of a stream's own domain; all where there is one stream."""
    if not config.streams:
        return corpus
    ids = [item.id for item in corpus.items if item.custom.get("domain") == name]
    if not ids:
        raise DataError(f"no recording of this side has the domain '{name}', which a token stream is named after")
    return corpus.subset(ids)
