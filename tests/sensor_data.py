"""Small recordings for tests of sensor code."""

from __future__ import annotations

import numpy as np

from audiossl.signals.sensors.recording import Annotation, SensorRecording


def recording(id_="a1", subject="a", samples=500, rate=50.0, offset=0.0, annotations=None, seed=0):
    """A walk of two channels; without annotations the first half is `walk`, the second `sit`."""
    noise = np.random.default_rng(seed).normal(size=(2, samples)) + offset
    seconds = samples / rate
    halves = {"activity": (Annotation(0.0, seconds / 2, "walk"), Annotation(seconds / 2, seconds, "sit"))}
    marks = halves if annotations is None else annotations
    return SensorRecording(id_, subject, rate, ("acc_x", "acc_y"), ("g", "g"), noise.astype(np.float32), marks)


def people(count=6, samples=500):
    """One recording of each of some people, each with an offset of its own."""
    return [recording(f"p{i}_1", f"p{i}", samples, offset=i, seed=i) for i in range(count)]
