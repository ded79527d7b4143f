"""The SPEAR pipeline (arXiv 2510.25955) as stages: corpus, labels, quantiser, tokens, pretrain, embed, evaluate, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from audiossl.errors import DataError
from audiossl.files import read_json, write_json
from audiossl.models import hub
from audiossl.models.zipformer import Zipformer
from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream
from audiossl.pipelines.prepare_script import load_script
from audiossl.pipelines.spear_config import SpearRecipe
from audiossl.pipelines.spear_embedding import embed_models
from audiossl.pipelines.spear_report import report_run
from audiossl.pipelines.spear_tasks import evaluate_models
from audiossl.pipelines.token_batches import TokenBatches
from audiossl.pipelines.tokenise import encode_corpus, fit_to_corpus, measure_tokens, read_segments
from audiossl.recipe import Stage, console
from audiossl.seeds import derive_seed
from audiossl.signals.corpus import Corpus
from audiossl.signals.splits import split_by
from audiossl.teachers.teacher import load_teacher
from audiossl.tokens.factory import load_quantiser
from audiossl.tokens.store import TokenStore
from audiossl.training.devices import choose_device
from audiossl.training.fit import fit
from audiossl.training.world import World


def stages(config: SpearRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are."""
    script = folder / config.prepare
    prepare = load_script(script)
    source = [script.read_text(encoding="utf-8"), str(config.data_root or ""), config.limit]
    tasks = config.evaluation.tasks

    def corpus(out: Path, inputs: Mapping[str, Path]) -> None:
        prepare.prepare_corpus(out / "corpus", config.data_root, config.limit)
        opened = Corpus.open(out / "corpus")
        fractions = {"train": config.split.train, "valid": config.split.valid, "test": config.split.test}
        write_json(out / "splits.json", split_by(opened.items, config.split.by, fractions, config.seed))

    def labels(out: Path, inputs: Mapping[str, Path]) -> None:
        prepare.prepare_labels(out, Corpus.open(inputs["corpus"] / "corpus"), config.data_root, config.limit)
        for task in tasks:
            if not (out / f"{task.name}.jsonl").is_file():
                raise DataError(f"{script} wrote no {task.name}.jsonl, which the task '{task.name}' reads its labels from")

    def quantiser(out: Path, inputs: Mapping[str, Path]) -> None:
        train_quantiser(out, inputs, config)

    def tokens(out: Path, inputs: Mapping[str, Path]) -> None:
        write_tokens(out, inputs, config)

    def pretrain(out: Path, inputs: Mapping[str, Path]) -> None:
        train_student(out, inputs, config)

    def embed(out: Path, inputs: Mapping[str, Path]) -> None:
        embed_models(out, inputs, config, load_teacher(config.teacher, device_of(config)))

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config)

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config)

    seed = config.seed
    return [
        Stage("corpus", corpus, [source, config.split, seed]),
        Stage("labels", labels, [source, tasks], ("corpus",)),
        Stage("quantiser", quantiser, [config.teacher, config.quantiser, tasks, seed], ("corpus", "labels"), version=2),
        Stage("tokens", tokens, [config.teacher, config.quantiser], ("corpus", "quantiser"), resumable=True, version=2),
        Stage(
            "pretrain", pretrain, [config.student, config.objective, config.training, seed], ("corpus", "tokens"), resumable=True
        ),
        Stage("embed", embed, tasks, ("corpus", "labels", "quantiser", "pretrain")),
        Stage("evaluate", evaluate, [config.dataset, config.evaluation, config.split, seed], ("corpus", "labels", "embed")),
        Stage("report", report, [config], ("corpus", "labels", "quantiser", "tokens", "pretrain", "embed", "evaluate")),
    ]


def open_split(corpus_stage: Path, *sides: str) -> Corpus:
    """Open the items of some sides of the split."""
    ids = read_json(corpus_stage / "splits.json")
    return Corpus.open(corpus_stage / "corpus").subset(id_ for side in sides for id_ in ids[side])


def device_of(config: SpearRecipe) -> torch.device:
    """The device of training, which the teacher and the embedding use as well."""
    return choose_device(config.training, World())


def train_quantiser(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Fit the quantiser to the teacher's frames of training recordings, and measure the tokens on those of validation."""
    teacher = load_teacher(config.teacher, device_of(config))
    training = open_split(inputs["corpus"], "train")
    quantiser, fitted_to = fit_to_corpus(teacher, training, config.quantiser, config.teacher.normalise, config.seed)
    quantiser.save(out / "quantiser")
    task = next((task for task in config.evaluation.tasks if task.kind == "frames"), None)
    labels = (task.name, read_segments(inputs["labels"] / f"{task.name}.jsonl")) if task else None
    valid = open_split(inputs["corpus"], "valid")
    quality = measure_tokens(teacher, quantiser, valid, fitted_to, labels, config.quantiser.quality, seed=config.seed)
    write_json(out / "quality.json", quality.to_json())
    for problem in quality.diagnostics.problems:
        console.print(f"[yellow]quantiser: {problem}[/yellow]")


def write_tokens(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Tokenise every recording that is trained or validated on."""
    teacher = load_teacher(config.teacher, device_of(config))
    quantiser = load_quantiser(inputs["quantiser"] / "quantiser")
    corpus = open_split(inputs["corpus"], "train", "valid")
    encoded = encode_corpus(teacher, quantiser, corpus, out / "tokens", config.quantiser.quality, append=True)
    if encoded.rejected:
        raise DataError(f"{len(encoded.rejected)} recordings could not be tokenised, see {out / 'tokens' / 'rejected.jsonl'}")


def train_student(out: Path, inputs: Mapping[str, Path], config: SpearRecipe) -> None:
    """Pre-train the student on the training side; save it, and the same student with its first, random weights."""
    torch.manual_seed(derive_seed(config.seed, "student"))
    student = Zipformer.from_preset(config.student.preset, **config.student.overrides)
    hub.save(student, out / "random")
    store = TokenStore.open(inputs["tokens"] / "tokens")
    stream = TokenStream(store.frame_rate, store.num_codebooks, store.codebook_size)
    objective = MaskedTokens(student, {store.teacher.split(":")[0]: stream}, config.objective)
    training = replace(config.training, seed=config.seed)

    def batches(side: str) -> TokenBatches:
        return TokenBatches(
            open_split(inputs["corpus"], side), store, next(iter(objective.streams)), training.batch_seconds,
            config.student.max_item_seconds, config.seed,
        )  # fmt: skip

    train, valid = batches("train"), batches("valid")
    result = fit(objective, train, training, out, batches_per_epoch=len(train), validation=valid.fixed)
    hub.save(student, out / "student")
    for name, error in {**train.failed, **valid.failed}.items():
        console.print(f"[yellow]{name} was left out of training: {error}[/yellow]")
    write_json(out / "result.json", {"steps": result.progress.step, "seconds": result.progress.seconds, **result.validation})
