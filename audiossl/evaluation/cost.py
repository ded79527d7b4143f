"""What an encoder costs: parameters, floating-point operations, CPU seconds and memory, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from audiossl.errors import ConfigError

SECONDS = 10.0  # of noise; a frame count that all encoders here run whole


@dataclass(frozen=True)
class Cost:
    """Costs of encoding `SECONDS` seconds of one clip on one thread in float32.

    Attributes:
        num_parameters: number of parameters of the whole encoder.
        gflop: 1e9 floating-point operations per second of audio, of products, convolutions and attention; Fourier transforms and
            what is done element by element are not counted.
        cpu_seconds: CPU seconds per second of audio, the median of three clips.
        peak_gib: peak memory of a process that loads the encoder and encodes the clip, libraries included, in GiB.
    """

    num_parameters: int
    gflop: float
    cpu_seconds: float
    peak_gib: float


def measure_cost(name: str) -> Cost:
    """Measure an encoder that `audiossl.load` takes, in a new process.

    Raises:
        ConfigError: if it cannot be loaded or run; the message holds the reason.
    """
    child = subprocess.run([sys.executable, "-m", "audiossl.evaluation.encoder_cost", name], capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(f"the cost of '{name}' cannot be measured: {reason}")
    return Cost(**json.loads(child.stdout.strip().splitlines()[-1]))
