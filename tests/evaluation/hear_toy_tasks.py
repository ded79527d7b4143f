"""A HEAR task of a few generated clips in the layout of hear-preprocess."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile


def write_scene_task(folder: Path, num_folds: int = 3, clips_per_class: int = 4, sample_rate: int = 16000) -> Path:
    """Three classes of one-second tones an octave apart in noise, told apart easily by any spectrum."""
    task = folder / "toy_tones-v1-full"
    rng = np.random.default_rng(0)
    names = [f"fold{fold:02d}" for fold in range(num_folds)]
    for name in names:
        audio = task / str(sample_rate) / name
        audio.mkdir(parents=True)
        labels = {}
        for label, pitch in (("low", 300), ("middle", 600), ("high", 1200)):
            for i in range(clips_per_class):
                time = np.arange(sample_rate) / sample_rate
                clip = 0.3 * np.sin(2 * np.pi * pitch * rng.uniform(0.95, 1.05) * time) + 0.02 * rng.standard_normal(sample_rate)
                soundfile.write(audio / f"{label}{i}.wav", clip, sample_rate)
                labels[f"{label}{i}.wav"] = [label]
        (task / f"{name}.json").write_text(json.dumps(labels))
    (task / "labelvocabulary.csv").write_text("idx,label\n0,low\n1,middle\n2,high\n")
    metadata = {
        "task_name": "toy_tones",
        "version": "v1",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "new_split_kfold",
        "splits": names,
        "sample_duration": 1.0,
        "evaluation": ["top1_acc", "mAP"],
        "evaluation_params": {},
    }
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    return task
