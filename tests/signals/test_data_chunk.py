"""Headers that promise less than the file holds: WAV, RF64, W64, AIFF, AU and CAF."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from encoded import libsndfile, sounds, with_size
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.signals.audio import probe, read_audio
from audiossl.signals.data_chunk import find_mended
from audiossl.signals.decoder import AudioError

RATE = 16_000
SAMPLES = sounds(1.5, RATE)
WIDTH = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4, "ULAW": 1, "PCM_U8": 1}
CONTAINERS = ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"]


def read(path: Path) -> torch.Tensor:
    samples, _ = read_audio(path)
    assert probe(path).num_samples == len(samples)
    return samples


def wav(size: int, rate: int = 16_000) -> bytes:
    """A header of mono 16-bit samples; sizes wrap at 32 bits as those of programs do."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", (size + 36) % 2**32) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size % 2**32)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("subtype", WIDTH)
def test_a_size_that_was_left_at_a_first_update_or_never_written(tmp_path: Path, container: str, subtype: str) -> None:
    if subtype not in soundfile.available_subtypes(container) or (container, subtype) == ("AIFF", "PCM_U8"):
        pytest.skip("no such format")
    path, data = tmp_path / "a", libsndfile(SAMPLES, RATE, container, subtype)
    path.write_bytes(data)
    true = read(path)
    assert not probe(path).is_mended
    for size in (0, 4000 * WIDTH[subtype]):
        path.write_bytes(with_size(data, container, size))
        assert torch.equal(read(path), true)
        assert probe(path).is_mended or container == "W64"  # libsndfile does it by itself there
        assert torch.equal(read_audio(path, None, 0.7, 0.1)[0], true[11_200:12_800])
        assert torch.equal(read_audio(Path("a"), data=path.read_bytes())[0], true)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM"])
def test_packed_samples_of_a_wav_are_read_to_the_end(tmp_path: Path, subtype: str) -> None:
    path, data = tmp_path / "a.wav", libsndfile(SAMPLES, RATE, "WAV", subtype)
    path.write_bytes(data)
    true = read(path)
    for size in (0, 4096):
        path.write_bytes(with_size(data, "WAV", size))
        assert probe(path).is_mended
        assert float((read(path) - true).abs().max()) < 0.01  # FFmpeg rounds in another way


@pytest.mark.parametrize(
    ("header", "behind"),
    [(2**32 + 64_000, b""), (2**32 + 64_000, b"LIST\x04\0\0\0INFO"), (0xFFFFFFFF, b""), (2**33 + 64_000, b"")],
)
def test_a_wav_beyond_4_gib(tmp_path: Path, header: int, behind: bytes) -> None:
    path, size = tmp_path / "a.wav", header if header > 2**32 else 2**32 + 64_000
    tone = np.arange(8000, dtype="<i2").tobytes()
    with path.open("wb") as file:  # sparse
        file.write(wav(header, 192_000))
        file.seek(44 + size - len(tone))
        file.write(tone + behind)
    assert probe(path).num_samples == size // 2
    part = read_audio(path, None, (size // 2 - 8000) / 192_000)[0]
    assert torch.equal(part, torch.arange(8000) / 32768)


TAILS = {
    "nothing": b"",
    "a list": b"LIST\x04\0\0\0INFO",
    "a list that is cut": b"LIST\xff\0\0\0INFO",
    "bext and id3": b"bext\x04\0\0\0abcdid3 \x02\0\0\0xy",
    "an unknown chunk": b"abcd\x04\0\0\0efgh",
    "a tag": b"TAG" + b"x" * 125,
    "an ID3 tag": b"ID3\x03\0\0\0\0\0\x08" + bytes(8),
    "an APE tag": b"APETAGEX" + bytes(24),
    "zero bytes": bytes(3000),
    "a line break": b"\n",
    "a note": b"recorded on Monday\n" * 9,
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("num_samples", [4000, 4001])
@pytest.mark.parametrize("is_counted", [True, False])
def test_what_stands_behind_the_samples_is_no_fault(tmp_path: Path, tail: str, num_samples: int, is_counted: bool) -> None:
    path, samples = tmp_path / "a.wav", SAMPLES[:num_samples]
    data = bytearray(libsndfile(samples, RATE, "WAV", "PCM_U8") + TAILS[tail])
    if is_counted:
        data[4:8] = struct.pack("<I", len(data) - 8)
    path.write_bytes(data)
    assert len(read(path)) == num_samples
    assert not probe(path).is_mended


def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    data = bytearray(wav(4000) + np.random.default_rng(0).bytes(32_000))
    data[4:8] = struct.pack("<I", 20_000)  # neither the end of the samples nor that of the file
    path.write_bytes(data)
    for function in (read_audio, probe):
        with pytest.raises(AudioError, match=r"a\.wav: the header promises 4,000 bytes of samples, 32,000 are there"):
            function(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 3000), st.integers(0, 3000))
def test_any_size_below_the_true_one(tmp_path_factory, num_samples: int, left: int) -> None:
    path = tmp_path_factory.getbasetemp() / "left.wav"
    samples = (SAMPLES[:num_samples] * 32767).astype("<i2") | 1  # no zero bytes, which would be padding
    path.write_bytes(wav(2 * min(left, num_samples)) + samples.tobytes())
    found = len(read_audio(path)[0])
    missing = num_samples - min(left, num_samples)
    assert found == num_samples or missing < 4  # fewer bytes than a chunk has are no recording


def test_true_headers_are_left_alone(tmp_path: Path) -> None:
    for container in CONTAINERS:
        path = tmp_path / container
        path.write_bytes(data := libsndfile(SAMPLES, RATE, container))
        with path.open("rb") as file:
            assert find_mended(file, len(data), data[:12]) is None
