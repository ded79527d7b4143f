"""The fine-tuning pipeline as stages: corpus, labels, train, train_random, evaluate, report (arXiv 2510.25955)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audiossl.errors import ConfigError, DataError, import_extra
from audiossl.files import read_json, write_json
from audiossl.load import load
from audiossl.models.encoder import Encoder
from audiossl.models.hub import untrained_like
from audiossl.models.run_folder import encoder_identity
from audiossl.objectives.ctc import CTC
from audiossl.objectives.tagging import Tagging
from audiossl.pipelines.finetune.batches import LabelledBatches
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.finetune.labels import check_sides, check_tags, field_of, open_labels, write_transcripts
from audiossl.pipelines.finetune.report import report_run
from audiossl.pipelines.finetune.scores import evaluate_models
from audiossl.pipelines.finetune.tuned_model import ENCODER, save_tuned
from audiossl.pipelines.prepare_script import load_script
from audiossl.pipelines.unseen import check_unseen, trained_ids, write_trained_on
from audiossl.recipe import Stage, console
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.splits import say_copies_across, split_by
from audiossl.training.fit import fit
from audiossl.world import World

STAGE_OF = {"finetuned": "train", "random": "train_random"}


def stages(config: FinetuneRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are."""
    script = folder / config.prepare
    is_ctc = config.task == "ctc"
    loaded = load_script(script, ("prepare_corpus",) if is_ctc else ("prepare_corpus", "prepare_labels"))
    prepare, source = loaded.module, [*loaded.sources, str(config.data_root or ""), config.limit]
    source_names, data = (*loaded.names, "data_root", "limit"), (config.data_root,) if config.data_root else ()
    training = replace(config.training, seed=config.seed)
    options = [config.task, config.ctc if is_ctc else config.tagging, config.max_item_seconds, training]

    def corpus(out: Path, inputs: Mapping[str, Path]) -> None:
        prepare.prepare_corpus(out / "corpus", config.data_root, config.limit)
        sides = divide(Corpus.open(out / "corpus"), config)
        write_json(out / "splits.json", sides)

    def labels(out: Path, inputs: Mapping[str, Path]) -> None:
        sides = read_json(inputs["corpus"] / "splits.json")
        opened = Corpus.open(inputs["corpus"] / "corpus").subset(id_ for side in sides.values() for id_ in side)
        if is_ctc:
            import_extra("jiwer", "finetune")  # needed later: better missed now than after hours of training
            write_transcripts(out, opened, sides, config.text)
        else:
            prepare.prepare_labels(out, opened, config.data_root, config.limit)
            check_tags(out, opened, script)
        check_sides(out, sides, config.task)

    def train(out: Path, inputs: Mapping[str, Path]) -> None:
        check_unseen(
            read_json(inputs["corpus"] / "splits.json")["test"], config.encoder, Corpus.open(inputs["corpus"] / "corpus")
        )
        train_model(out, inputs, config, load(config.encoder).encoder)
        if World.join().is_first:  # the run that the encoder came from may be renamed later
            own = read_json(inputs["corpus"] / "splits.json")["train"]
            write_trained_on(out / "model" / ENCODER, trained_ids(config.encoder).union(own))

    def train_random(out: Path, inputs: Mapping[str, Path]) -> None:
        train_model(out, inputs, from_scratch(config), untrained_like(load(config.encoder).encoder, config.seed))

    def evaluate(out: Path, inputs: Mapping[str, Path]) -> None:
        evaluate_models(out, inputs, config, {name: inputs[STAGE_OF[name]] / "model" for name in config.models})

    def report(out: Path, inputs: Mapping[str, Path]) -> None:
        report_run(out, inputs, config, {name: inputs[STAGE_OF[name]] for name in config.models})

    trained = tuple(STAGE_OF[name] for name in config.models)
    identity = encoder_identity(config.encoder)
    layout = [
        Stage(
            "corpus",
            corpus,
            [source, config.keep, config.parts, config.split, config.seed],
            names=(source_names, "keep", "parts", "split", "seed"),
            data=data,
        ),
        Stage(
            "labels",
            labels,
            [source, config.task, config.text if is_ctc else None],
            ("corpus",),
            names=(source_names, "task", "text"),
            data=data,
        ),
        Stage(
            "train",
            train,
            [options, identity],
            ("corpus", "labels"),
            resumable=True,
            every_rank=True,
            names=(("task", config.task, "max_item_seconds", "training"), "the weights of the encoder"),
        ),
    ]
    if config.random:
        layout.append(replace(layout[-1], name="train_random", run=train_random))
    return [
        *layout,
        Stage(
            "evaluate",
            evaluate,
            [config.dataset, config.evaluation, config.split.by, config.seed],
            ("corpus", "labels", *trained),
            version=2,
            names=("dataset", "evaluation", "split.by", "seed"),
        ),
        Stage("report", report, [config], ("corpus", "labels", *trained, "evaluate"), names=("recipe",)),
    ]


def check_prepared(config: FinetuneRecipe, output: Path) -> None:
    """Check the labels that a run made already."""
    check_sides(output / "labels", read_json(output / "corpus" / "splits.json"), config.task)


def divide(corpus: Corpus, config: FinetuneRecipe) -> dict[str, list[str]]:
    """Ids of the training, validation and test side.

    Raises:
        DataError: if a side that has a share is empty.
    """
    items = [item for item in corpus.items if all(field_of(item, name) in wanted for name, wanted in config.keep.items())]
    if not items:
        raise DataError(f"no item of the corpus is kept by keep={config.keep}. Check the names and values.")
    if not config.parts:
        fractions = {"train": config.split.train, "valid": config.split.valid, "test": config.split.test}
        return split_by(items, config.split.by, fractions, config.seed)
    sides = {side: [item.id for item in items if field_of(item, "part") in parts] for side, parts in config.parts.items()}
    if empty := [side for side, ids in sides.items() if not ids]:
        raise DataError(f"no item of the corpus belongs to {', '.join(empty)}; the parts of the recipe are {config.parts}.")
    say_copies_across(items, sides, f"the recipe gives sides by parts={config.parts}")
    return {"valid": [], **sides}


def from_scratch(config: FinetuneRecipe) -> FinetuneRecipe:
    """The same recipe for random weights: there is nothing to preserve, so the encoder learns at once and at the whole rate."""
    ctc, tagging = replace(config.ctc, freeze_steps=0), replace(config.tagging, freeze_steps=0)
    return replace(config, ctc=ctc, tagging=tagging, training=replace(config.training, lr_scales={}))


def train_model(out: Path, inputs: Mapping[str, Path], config: FinetuneRecipe, encoder: Encoder) -> None:
    """Train an encoder with a head and save both."""
    world = World.join()
    labels = open_labels(inputs["labels"])
    sides = read_json(inputs["corpus"] / "splits.json")
    corpus = Corpus.open(inputs["corpus"] / "corpus")
    if corpus.sample_rate != encoder.sample_rate:
        raise ConfigError(
            f"{config.encoder} wants {encoder.sample_rate:g} Hz, the corpus has {corpus.sample_rate} Hz. Build it so."
        )
    torch.manual_seed(derive_seed(config.seed, "head"))
    is_ctc = config.task == "ctc"
    objective = CTC(encoder, labels.size, config.ctc) if is_ctc else Tagging(encoder, labels.size, config.tagging)
    training = replace(config.training, seed=config.seed)

    left_out: dict[str, str] = {}

    def batches(side: str) -> LabelledBatches:
        items = corpus.subset(id_ for id_ in sides[side] if id_ in labels.truth)
        if is_ctc:
            long = [item.id for item in items if item.num_samples > config.max_item_seconds * corpus.sample_rate]
            left_out.update(dict.fromkeys(long, f"longer than {config.max_item_seconds:g} s"))
            items = items.subset({item.id for item in items} - set(long))
        targets = {item.id: labels.target(item.id) for item in items}
        return LabelledBatches(items, targets, training.batch_seconds, config.seed, None if is_ctc else config.max_item_seconds)

    train, valid = batches("train"), batches("valid")
    validation = valid.fixed if len(valid.corpus) else None
    result = fit(objective, train, training, out, steps_per_epoch=train.steps_per_epoch, validation=validation)
    own = {id_: str(error) for id_, error in {**train.failed, **valid.failed}.items()}
    own |= objective.too_short if isinstance(objective, CTC) else {}
    left_out |= {id_: reason for of_rank in world.gather(own) for id_, reason in of_rank.items()}
    if not world.is_first:
        return
    if left_out:
        first, reason = next(iter(left_out.items()))
        console.print(f"[yellow]{len(left_out)} items were left out of training, see the report; '{first}': {reason}[/yellow]")
    save_tuned(objective, out / "model", inputs["labels"], config.encoder)
    summary: dict[str, Any] = {"steps": result.progress.step, "seconds": result.progress.seconds, "left_out": left_out}
    write_json(out / "result.json", {**summary, "validation": result.validation})
