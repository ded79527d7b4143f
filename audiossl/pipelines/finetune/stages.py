"""The fine-tuning pipeline as stages: corpus, labels, train, train_random, evaluate, report (arXiv 2510.25955)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from audiossl.models.run_folder import encoder_identity
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.finetune.data import CorpusStage, LabelsStage, make_corpus, make_labels
from audiossl.pipelines.finetune.labels import check_sides
from audiossl.pipelines.finetune.models import TrainStage, train, train_random
from audiossl.pipelines.finetune.report import ReportStage, report_run
from audiossl.pipelines.finetune.scores import STAGE_OF, EvaluateStage, evaluate_models
from audiossl.pipelines.own.labelled import own_labelled
from audiossl.pipelines.own.output import refuse_without_corpus
from audiossl.pipelines.script_source import ScriptSource
from audiossl.pipelines.sides import read_sides
from audiossl.pipelines.source import Source
from audiossl.recipe import Stage


def source_of(config: FinetuneRecipe, folder: Path) -> Source:
    """Where the recordings and labels of a recipe come from; `folder` is that of its YAML."""
    if config.corpus is not None:
        return own_labelled(config)
    refuse_without_corpus(config.dataset, config.corpus)
    return ScriptSource.load(folder / config.prepare, config.data_root, config.limit, config.task_class.functions)


def stages(config: FinetuneRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is that of its YAML."""
    source = source_of(config, folder)
    text = config.text if config.task == "ctc" else None
    training = TrainStage(
        config.task,
        config.task_options(),
        config.max_item_seconds,
        replace(config.training, seed=config.seed),
        encoder_identity(config.encoder),
        config.source,
        config.encoder,
        config.data,
    )
    corpus = CorpusStage(source, config.keep, config.parts, config.split, config.seed)
    scores = EvaluateStage(
        config.dataset,
        config.evaluation,
        config.split.by,
        config.seed,
        config.task,
        config.models,
        config.training,
        config.encoder,
    )
    trained = tuple(STAGE_OF[name] for name in config.models)
    layout = [
        Stage("corpus", make_corpus, corpus, data=source.data),
        Stage(
            "labels",
            make_labels,
            LabelsStage(source.labels, config.task, text, config.source),
            ("corpus",),
            data=source.labels.data,
        ),
        Stage("train", train, training, ("corpus", "labels"), resumable=True, every_rank=True),
    ]
    if config.random:
        layout.append(replace(layout[-1], name="train_random", run=train_random))
    return [
        *layout,
        Stage("evaluate", evaluate_models, scores, ("corpus", "labels", *trained), version=2),
        Stage("report", report_run, ReportStage(config), ("corpus", "labels", *trained, "evaluate")),
    ]


def check_prepared(config: FinetuneRecipe, output: Path) -> None:
    """Check the labels that a run made already."""
    check_sides(output / "labels", read_sides(output / "corpus"), config.task)
