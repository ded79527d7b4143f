"""Read the instruments of a SoundFont 2 file and play their notes: samples, loops and tuning, without envelopes or effects."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError

# Generators of the format's specification, section 8.1.3.
KEY_RANGE, COARSE_TUNE, FINE_TUNE, SAMPLE, ROOT_KEY = 43, 51, 52, 53, 58
_LISTS = {"inst": 22, "ibag": 4, "igen": 4, "shdr": 46}


@dataclass(frozen=True)
class Zone:
    """A sample and the keys that it plays.

    Attributes:
        low, high: keys, both played.
        root: key at which the sample sounds as it is, in semitones, tuning included.
        samples: at `rate` Hz.
        loop: first and one past the last of the samples that repeat.
    """

    low: int
    high: int
    root: float
    samples: Float[np.ndarray, "_"]
    rate: int
    loop: tuple[int, int]

    def play(self, key: float, seconds: float, sample_rate: int) -> Float[np.ndarray, "S"]:
        """Sound a key: the sample at another speed, its loop repeated, faded out in the last tenth."""
        step = 2 ** ((key - self.root) / 12) * self.rate / sample_rate
        place = np.arange(round(seconds * sample_rate)) * step
        first, last = self.loop
        if last - first >= 2:
            place = np.where(place < last, place, first + (place - first) % (last - first))
        played = np.interp(place, np.arange(len(self.samples)), self.samples, right=0.0)
        fade = len(played) // 10
        played[len(played) - fade :] *= np.linspace(1, 0, fade)
        return played


def read_instruments(path: Path) -> dict[str, list[Zone]]:
    """Zones of each instrument, by name.

    Raises:
        DataError: if the file is no SoundFont or is cut off.
    """
    data = path.read_bytes()
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise DataError(f"{path} is no SoundFont 2 file")
    try:
        found = {name: _records(data, name, size) for name, size in _LISTS.items()}
        at = data.index(b"smpl")
        pcm = np.frombuffer(data, "<i2", struct.unpack_from("<I", data, at + 4)[0] // 2, at + 8)
        starts = [
            (record[:20].split(b"\0")[0].decode("latin1"), struct.unpack_from("<H", record, 20)[0]) for record in found["inst"]
        ]
        bags = [struct.unpack_from("<H", record)[0] for record in found["ibag"]]
        return {
            name: _zones(found, pcm, bags, first, after)
            for (name, first), (_, after) in pairwise(starts)  # the last is only an end
        }
    except (ValueError, struct.error, IndexError) as error:
        raise DataError(f"{path} cannot be read as a SoundFont: {error}") from error


def _records(data: bytes, name: str, size: int) -> list[bytes]:
    at = data.index(name.encode(), data.index(b"pdta"))
    length = struct.unpack_from("<I", data, at + 4)[0]
    return [data[at + 8 + i : at + 8 + i + size] for i in range(0, length, size)]


def _zones(found: dict[str, list[bytes]], pcm: np.ndarray, bags: list[int], first: int, after: int) -> list[Zone]:
    zones: list[Zone] = []
    common: dict[int, bytes] = {}
    for bag in range(first, after):
        own = {struct.unpack_from("<H", item)[0]: item[2:] for item in found["igen"][bags[bag] : bags[bag + 1]]}
        if SAMPLE not in own:  # the instrument's common zone
            common = own
            continue
        generators = common | own
        header = found["shdr"][struct.unpack("<H", generators[SAMPLE])[0]]
        start, end, loop, loop_end, rate = struct.unpack_from("<5I", header, 20)
        pitch, correction = struct.unpack_from("<Bb", header, 40)

        cents = 100 * _signed(generators, COARSE_TUNE) + _signed(generators, FINE_TUNE) + correction
        low, high = generators.get(KEY_RANGE, b"\0\x7f")
        samples = pcm[start:end].astype(np.float32) / 32768
        zones.append(
            Zone(low, high, _signed(generators, ROOT_KEY, pitch) - cents / 100, samples, rate, (loop - start, loop_end - start))
        )
    return zones


def _signed(generators: dict[int, bytes], kind: int, default: int = 0) -> int:
    return struct.unpack("<h", generators[kind])[0] if kind in generators else default
