"""Where modules lay before: their old names are importable for one version, and say where they went."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "evaluation.kit_runs": "kits.runs",
    "evaluation.kits": "kits.environments",
    "evaluation.ridge": "evaluation.windows.ridge",
    "evaluation.subject_scores": "evaluation.windows.subject_scores",
    "evaluation.superb.kit": "kits.superb_problems",
    "evaluation.window_ranking": "evaluation.windows.ranking",
    "evaluation.window_scores": "evaluation.windows.scores",
    "evaluation.window_task": "evaluation.windows.task",
    "export": "exporters",
    "export.hear": "exporters.hear",
    "export.hf": "exporters.hf",
    "export.s3prl": "exporters.s3prl",
    "export.s3prl_launcher": "kits.s3prl_launcher",
    "export.s3prl_tables": "kits.s3prl_tables",
    "export.sklearn_transformer": "estimators.audio_embedder",
    "export.torchaudio_compat": "kits.torchaudio_compat",
    "export.xares": "exporters.xares",
    "pipelines.connectivity_checks": "pipelines.connectivity.checks",
    "pipelines.connectivity_config": "pipelines.connectivity.config",
    "pipelines.connectivity_crops": "pipelines.connectivity.batches",
    "pipelines.connectivity_data": "pipelines.connectivity.data",
    "pipelines.connectivity_models": "pipelines.connectivity.models",
    "pipelines.connectivity_parts": "pipelines.connectivity.parts",
    "pipelines.connectivity_report": "pipelines.connectivity.report",
    "pipelines.connectivity_saliency": "pipelines.connectivity.saliency",
    "pipelines.connectivity_scores": "pipelines.connectivity.scores",
    "pipelines.connectivity_tasks": "pipelines.connectivity.tasks",
    "pipelines.connectivity_times": "pipelines.connectivity.times",
    "pipelines.encoder_channels": "pipelines.sensors.encoder_channels",
    "pipelines.finetune_config": "pipelines.finetune.config",
    "pipelines.finetune_labels": "pipelines.finetune.labels",
    "pipelines.finetune_report": "pipelines.finetune.report",
    "pipelines.finetune_scores": "pipelines.finetune.scores",
    "pipelines.fitted_to": "pipelines.tokenise.fitted_to",
    "pipelines.label_checks": "pipelines.spear.label_checks",
    "pipelines.labelled_batches": "pipelines.finetune.batches",
    "pipelines.sensors_checks": "pipelines.sensors.checks",
    "pipelines.sensors_config": "pipelines.sensors.config",
    "pipelines.sensors_data": "pipelines.sensors.data",
    "pipelines.sensors_encoders": "pipelines.sensors.encoders",
    "pipelines.sensors_models": "pipelines.sensors.models",
    "pipelines.sensors_report": "pipelines.sensors.report",
    "pipelines.sensors_scores": "pipelines.sensors.scores",
    "pipelines.spear_config": "pipelines.spear.config",
    "pipelines.spear_dry_run": "pipelines.spear.dry_run",
    "pipelines.spear_embedding": "pipelines.spear.embedding",
    "pipelines.spear_report": "pipelines.spear.report",
    "pipelines.spear_tasks": "pipelines.spear.scores",
    "pipelines.token_batches": "pipelines.spear.batches",
    "pipelines.token_folders": "pipelines.tokenise.folders",
    "pipelines.tuned_model": "pipelines.finetune.tuned_model",
    "pipelines.window_batches": "pipelines.sensors.batches",
    "signals.building": "signals.corpora.building",
    "signals.clip_tables": "signals.corpora.clip_tables",
    "signals.corpus": "signals.corpora.corpus",
    "signals.corpus_faults": "signals.corpora.corpus_faults",
    "signals.cut_lines": "signals.corpora.cut_lines",
    "signals.download": "signals.fetching.download",
    "signals.finding": "signals.corpora.finding",
    "signals.lhotse_cuts": "signals.corpora.lhotse_cuts",
    "signals.linking": "signals.corpora.linking",
    "signals.manifest": "signals.corpora.manifest",
    "signals.opening": "signals.corpora.opening",
    "signals.origins": "signals.corpora.origins",
    "signals.packages": "signals.fetching.packages",
    "signals.recordings": "signals.corpora.recordings",
    "signals.same_sound": "signals.corpora.same_sound",
    "signals.shar": "signals.corpora.shar",
    "signals.sound_digest": "signals.corpora.sound_digest",
    "signals.splits": "signals.corpora.splits",
    "signals.storage": "signals.fetching.storage",
    "signals.tar_index": "signals.corpora.tar_index",
    "signals.tar_offsets": "signals.corpora.tar_offsets",
    "signals.unpack": "signals.fetching.unpack",
    "training.world": "world",
}


class OldNames(MetaPathFinder, Loader):
    """Import a module that has moved by the name that it had; both names are one module."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A spec for old names only."""
        return ModuleSpec(fullname, self) if fullname.removeprefix("audiossl.") in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module by its new name."""
        new = f"audiossl.{MOVED[spec.name.removeprefix('audiossl.')]}"
        warnings.warn(f"{spec.name} is {new} now; the old name goes with the next version", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back: it ran under its new name."""
        old = module.__spec__
        module.__spec__ = old.loader_state if old is not None else None


def keep_old_names() -> None:
    """Let old names be imported; a second call changes nothing."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
