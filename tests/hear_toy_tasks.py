"""HEAR tasks of a few generated clips in the layout of hear-preprocess."""

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


def write_event_task(folder: Path, clips: int = 6, sample_rate: int = 16000) -> Path:
    """Clips of six seconds with two tones of half a second in noise, of two pitches, at times that are not on any grid."""
    task = folder / "toy_beeps-v1-full"
    rng = np.random.default_rng(1)
    for split in ("train", "valid", "test"):
        audio = task / str(sample_rate) / split
        audio.mkdir(parents=True)
        labels = {}
        for i in range(clips):
            clip = 0.02 * rng.standard_normal(6 * sample_rate)
            events = []
            for name, pitch, begin in (("low", 300, rng.uniform(0.5, 2.0)), ("high", 1200, rng.uniform(3.2, 5.0))):
                place = round(begin * sample_rate)
                time = np.arange(sample_rate // 2) / sample_rate
                clip[place : place + len(time)] += 0.3 * np.sin(2 * np.pi * pitch * time)
                events.append({"label": name, "start": 1000 * begin, "end": 1000 * begin + 500})
            soundfile.write(audio / f"{i}.wav", clip, sample_rate)
            labels[f"{i}.wav"] = events
        (task / f"{split}.json").write_text(json.dumps(labels))
    (task / "labelvocabulary.csv").write_text("idx,label\n0,high\n1,low\n")
    metadata = {
        "task_name": "toy_beeps",
        "version": "v1",
        "embedding_type": "event",
        "prediction_type": "multilabel",
        "split_mode": "trainvaltest",
        "splits": ["train", "valid", "test"],
        "sample_duration": 6.0,
        "evaluation": ["event_onset_50ms_fms", "segment_1s_er"],
        "evaluation_params": {
            "event_postprocessing_grid": {"median_filter_ms": [150], "min_duration": [125]},
            # The kit's quickest grid ends after 10 epochs, four updates each.
            "task_specific_param_grid": {"max_epochs": [60], "check_val_every_n_epoch": [10], "lr": [1e-2], "patience": [20]},
        },
    }
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    return task
