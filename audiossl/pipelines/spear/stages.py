"""The SPEAR pipeline (arXiv 2510.25955) as stages: corpus, labels, quantiser, token_quality, tokens, pretrain, embed, evaluate,
report.
"""

from __future__ import annotations

from pathlib import Path

from audiossl.pipelines.own.audio import own_audio
from audiossl.pipelines.own.output import refuse_without_corpus
from audiossl.pipelines.script_source import ScriptSource
from audiossl.pipelines.sides import read_sides
from audiossl.pipelines.source import Source
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.pipelines.spear.data import CorpusStage, LabelsStage, make_corpus, make_labels
from audiossl.pipelines.spear.embedding import EmbedStage, embed_models, teacher_models
from audiossl.pipelines.spear.label_checks import check_labels
from audiossl.pipelines.spear.models import PretrainStage, check_training, pretrain
from audiossl.pipelines.spear.report import ReportStage, report_run
from audiossl.pipelines.spear.scores import EvaluateStage, evaluate_models
from audiossl.pipelines.spear.tokens import (
    QualityStage,
    QuantiserStage,
    StreamTokens,
    TokensStage,
    measure_streams,
    searches,
    searches_then,
    train_quantisers,
    write_tokens,
)
from audiossl.recipe import Stage
from audiossl.signals.corpora.corpus import Corpus
from audiossl.teachers.teacher import check_teacher
from audiossl.tokens.factory import check_options


def source_of(config: SpearRecipe, folder: Path) -> Source:
    """Where the recordings and labels of a recipe come from; `folder` is that of its YAML."""
    if config.corpus is not None:
        return own_audio(config)
    refuse_without_corpus(config.dataset, config.corpus)
    return ScriptSource.load(folder / config.prepare, config.data_root, config.limit)


def stages(config: SpearRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe, up to pre-training where it has no tasks; `folder` is that of its YAML."""
    source = source_of(config, folder)
    check_training(PretrainStage.of(config))  # mistakes in options are better found now than at their stage
    for stream in config.token_streams.values():
        check_options(stream.quantiser.kind, stream.quantiser.options)
        check_teacher(stream.teacher)
    noise = (config.data.noise,) if config.data.noise else ()
    tasks, split, seed, device = config.evaluation.tasks, config.split, config.seed, config.training.device
    streams = {name: StreamTokens.of(stream) for name, stream in config.token_streams.items()}
    teachers = teacher_models(config.token_streams)
    quantisers = QuantiserStage(streams, seed, config.only_domain is not None, device)
    training = [
        Stage("corpus", make_corpus, CorpusStage(source, split, seed), data=source.data),
        Stage("labels", make_labels, LabelsStage(source.labels, tasks, split), ("corpus",), data=source.labels.data),
        # A stage of its own, so that another probe costs a measurement and not the student.
        Stage(
            "quantiser", train_quantisers, quantisers, ("corpus",), version=3, added=searches(streams, "default"),
        ),
        Stage(
            "token_quality", measure_streams, QualityStage(streams, tasks, seed, quantisers), ("corpus", "labels", "quantiser")
        ),
        Stage(
            "tokens", write_tokens, TokensStage(streams, config.dual_loss, device), ("corpus", "quantiser"),
            resumable=True, version=3, added=searches(streams), added_then=searches_then,
        ),
        Stage(
            "pretrain", pretrain, PretrainStage.of(config), ("corpus", "tokens"),
            resumable=True, every_rank=True, version=2, data=noise,
        ),
    ]  # fmt: skip
    if not tasks:  # nothing to score, and nothing to report
        return training
    before = tuple(stage.name for stage in training)
    return [
        *training,
        Stage(
            "embed",
            embed_models,
            EmbedStage(tasks, teachers, config.student, device),
            ("corpus", "labels", "quantiser", "pretrain"),
        ),
        Stage(
            "evaluate",
            evaluate_models,
            EvaluateStage(config.dataset, config.evaluation, split, seed, list(teachers)),
            ("corpus", "labels", "embed"),
            version=2,
        ),
        Stage("report", report_run, ReportStage(config), (*before, "embed", "evaluate")),
    ]


def check_prepared(config: SpearRecipe, output: Path) -> None:
    """Check the labels that a run made already."""
    corpus, sides = Corpus.open(output / "corpus" / "corpus"), read_sides(output / "corpus")
    tasks, by = config.evaluation.tasks, config.split.by
    check_labels(output / "labels", corpus, sides, tasks, by, written_by=config.prepare, limit=config.limit)
