"""The 19 tasks of HEAR 2021, in 20 folders, and what each needs (arXiv 2203.03022; leaderboard CSV of hearbenchmark.com)."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class OfficialTask:
    """One task of the benchmark.

    Attributes:
        folder: stem of its task folder.
        kind: scene or event, multiclass or multilabel, with the number of labels where it is known.
        clips, seconds: how many there are and how long; None where lengths differ.
        folds: folds of cross-validation; 0 for train, valid and test.
        scores: the first one is the task's.
        best: best on the public leaderboard, as a fraction.
    """

    folder: str
    kind: str
    clips: int
    seconds: float | None
    folds: int
    scores: tuple[str, ...]
    best: float

    @property
    def hours(self) -> float | None:
        """Of audio."""
        return None if self.seconds is None else self.clips * self.seconds / 3600


_SCENE = ("top1_acc", "mAP", "d_prime", "aucroc")
_PITCH = ("pitch_acc", "chroma_acc")
OFFICIAL = (
    OfficialTask(
        "dcase2016_task2-hear2021-full", "event L 11", 72, 120.0, 0, ("event_onset_200ms_fms", "segment_1s_er"), 0.925
    ),
    OfficialTask("nsynth_pitch-v2.2.3-5h", "scene C 88", 5000, 4.0, 0, _PITCH, 0.878),
    OfficialTask("nsynth_pitch-v2.2.3-50h", "scene C 88", 49060, 4.0, 0, _PITCH, 0.900),
    OfficialTask("speech_commands-v0.0.2-5h", "scene C 12", 22890, 1.0, 0, ("top1_acc",), 0.976),
    OfficialTask("speech_commands-v0.0.2-full", "scene C 12", 100503, 1.0, 0, ("top1_acc",), 0.978),
    OfficialTask("beehive_states_fold0-v2-full", "scene C 2", 576, 600.0, 0, ("aucroc", "mAP", "d_prime", "top1_acc"), 0.878),
    OfficialTask("beehive_states_fold1-v2-full", "scene C 2", 576, 600.0, 0, ("aucroc", "mAP", "d_prime", "top1_acc"), 0.878),
    OfficialTask("beijing_opera-v1.0-hear2021-full", "scene C 4", 236, 4.77, 5, _SCENE, 0.975),
    OfficialTask("tfds_crema_d-1.0.0-full", "scene C 6", 7438, 5.0, 5, _SCENE, 0.752),
    OfficialTask("esc50-v2.0.0-full", "scene C 50", 2000, 5.0, 5, _SCENE, 0.966),
    OfficialTask("fsd50k-v1.0-full", "scene L 200", 51185, None, 0, ("mAP", "d_prime", "aucroc", "top1_acc"), 0.655),
    OfficialTask("gunshot_triangulation-v1.0-full", "scene C 4", 88, 1.5, 7, _SCENE, 0.967),
    OfficialTask("tfds_gtzan-1.0.0-full", "scene C 10", 1000, 30.0, 10, _SCENE, 0.908),
    OfficialTask("tfds_gtzan_music_speech-1.0.0-full", "scene C 2", 128, 30.0, 10, _SCENE, 0.992),
    OfficialTask("libricount-v1.0.0-hear2021-full", "scene C 11", 5720, 5.0, 5, _SCENE, 0.785),
    OfficialTask(
        "maestro-v3.0.0-5h", "event L 88", 185, 120.0, 5,
        ("event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms"), 0.469,
    ),
    OfficialTask("mridangam_stroke-v1.5-full", "scene C 10", 6977, 0.81, 5, _SCENE, 0.975),
    OfficialTask("mridangam_tonic-v1.5-full", "scene C 6", 6977, 0.81, 5, _SCENE, 0.965),
    OfficialTask("vocal_imitation-v1.1.3-full", "scene C 302", 5601, 11.26, 3, ("mAP", "d_prime", "aucroc", "top1_acc"), 0.227),
    OfficialTask("vox_lingua_top10-hear2021-full", "scene C 10", 972, 18.64, 5, _SCENE, 0.720),
)  # fmt: skip
SPEED = 40.0  # audio seconds a second of a 94 M parameter encoder on two CPU cores, from which hours below are computed


def official_table() -> Table:
    """What each task needs: audio, splits, score, and about how long embedding takes; predictors add minutes to an hour."""
    table = Table(
        "task folder", "kind", title="HEAR 2021: C one label a clip, L any number; folders as hear-preprocess writes them"
    )
    for name in ("clips", "hours", "GB at 48 kHz", "splits", "score", "best published", f"CPU hours at {SPEED:g} x real time"):
        table.add_column(name, justify="right")
    for task in OFFICIAL:
        hours = task.hours
        sizes = (
            ("?", "?", "?") if hours is None else (f"{hours:.1f}", f"{hours * 3600 * 96000 / 1e9:.1f}", f"{hours / SPEED:.2f}")
        )
        splits = f"{task.folds} folds" if task.folds else "train, valid, test"
        table.add_row(task.folder, task.kind, f"{task.clips:,}", *sizes[:2], splits, task.scores[0], f"{task.best:.3f}", sizes[2])
    return table
