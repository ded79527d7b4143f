from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.audio import AudioInfo, probe, read_audio, resampled_length, stream_audio
from audiossl.signals.decoder import AudioError


def noise(num_samples: int, num_channels: int = 1, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (num_samples, num_channels)).astype(np.float32)
    return samples[:, 0] if num_channels == 1 else samples


def encode(path: Path, samples: np.ndarray, rate: int, container: str, codec: str, **options: str) -> Path:
    """Write with FFmpeg, independently of what is tested."""
    import av

    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        for first in range(0, len(samples), 1024):
            block = (samples[None, first : first + 1024] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.rate, frame.pts = rate, first
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def tone(num_samples: int, rate: int, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(num_samples) / rate)).astype(np.float32)


def halve(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


# Reading


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "w64", "au", "caf"])
def test_lossless_16_bit_files_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    integers = np.random.default_rng(0).integers(-32768, 32767, 5000, dtype=np.int16)
    soundfile.write(path, integers, 16_000)
    signal, rate = read_audio(path)
    assert rate == 16_000
    assert torch.equal(signal, torch.from_numpy(integers.astype(np.float32) / 32768))
    assert probe(path) == AudioInfo(path, 16_000, 5000, 1)
    assert probe(path).duration == 5000 / 16_000


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("a.m4a", "mp4", "aac"), ("a.mp4", "mp4", "aac"), ("a.mka", "matroska", "aac"), ("a.webm", "webm", "libopus")],
)
def test_containers_that_libsndfile_cannot_read(tmp_path: Path, name: str, container: str, codec: str) -> None:
    path = encode(tmp_path / name, tone(48_000, 16_000), 16_000, container, codec)
    signal, rate = read_audio(path, 16_000)
    assert rate == 16_000
    assert abs(len(signal) - 48_000) <= 1600
    spectrum = torch.fft.rfft(signal[8000:40_000]).abs()
    assert float(spectrum.argmax()) * 16_000 / 32_000 == pytest.approx(440, abs=1)
    assert float(signal[8000:40_000].abs().max()) == pytest.approx(0.5, abs=0.05)
    assert probe(path).duration == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "container", "codec"), [("a.m4a", "mp4", "aac"), ("a.g722", "g722", "g722"), ("a.mp3", "mp3", "libmp3lame")]
)
def test_bytes_are_read_as_the_file_they_come_from(tmp_path: Path, name: str, container: str, codec: str) -> None:
    path = encode(tmp_path / name, tone(48_000, 16_000), 16_000, container, codec)
    data = path.read_bytes()
    whole, part = read_audio(path, 8000)[0], read_audio(path, 8000, 0.5, 1.0)[0]
    path.unlink()
    assert torch.equal(read_audio(path, 8000, data=data)[0], whole)
    assert torch.equal(read_audio(path, 8000, 0.5, 1.0, data=data)[0], part)


@pytest.mark.parametrize("name", ["a.g722", "A.G722"])
def test_headerless_g722(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, tone(32_000, 16_000), 16_000, "g722", "g722")
    signal, rate = read_audio(path)
    assert (rate, len(signal)) == (16_000, 32_000) == (probe(path).sample_rate, probe(path).num_samples)
    assert float(torch.fft.rfft(signal[:16_000]).abs().argmax()) == 440
    assert float(signal.abs().max()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("codec", "step"),
    [("pcm_u8", 1 / 128), ("pcm_s16le", 1 / 32768), ("pcm_s32le", 1e-6), ("pcm_f32le", 1e-6), ("pcm_f64le", 1e-6)],
)
def test_every_sample_format_of_ffmpeg_has_one_scale(tmp_path: Path, codec: str, step: float) -> None:
    samples = tone(4000, 16_000)
    path = tmp_path / "a.mka"  # libsndfile does not know matroska
    import av

    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate, frame.pts = 16_000, 0
        for converted in av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=16_000).resample(frame):
            output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    signal, _ = read_audio(path)
    assert np.abs(signal.numpy() - samples).max() <= 1.01 * step


def test_eight_channels_are_averaged_or_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = noise(3000, 8)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    assert probe(path).num_channels == 8
    np.testing.assert_allclose(read_audio(path)[0].numpy(), samples.mean(axis=1), atol=1e-7)
    np.testing.assert_array_equal(read_audio(path, channels=[3])[0].numpy(), samples[:, 3])
    with pytest.raises(AudioError, match=r"a\.wav: channels \[8\] are wanted, the file has 8"):
        read_audio(path, channels=[8])


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 12_345])
def test_resampling_is_that_of_soxr(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    samples = noise(rate + 17)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    signal, new_rate = read_audio(path, 16_000)
    assert new_rate == 16_000
    assert len(signal) == resampled_length(len(samples), rate, 16_000)
    np.testing.assert_allclose(signal.numpy(), soxr.resample(samples, rate, 16_000), atol=1e-6)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 10**6))
def test_resampled_length_rounds_the_exact_quotient(num_samples: int, from_rate: int, to_rate: int) -> None:
    length = resampled_length(num_samples, from_rate, to_rate)
    assert (2 * length - 1) * from_rate <= 2 * num_samples * to_rate < (2 * length + 1) * from_rate


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 12_345])
def test_an_excerpt_equals_the_whole(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(3 * rate), rate)
    whole, _ = read_audio(path, 16_000)
    for start, duration in [(0.0, 0.5), (0.7, 1.0), (1.00003, 0.3), (2.5, 9.0), (2.9, 0.1), (1.5, None)]:
        first = round(start * 16_000)
        end = len(whole) if duration is None else min(len(whole), first + round(duration * 16_000))
        part, _ = read_audio(path, 16_000, start, duration)
        assert part.shape == (end - first,)
        assert float((part - whole[first:end]).abs().max()) < 2e-5


def test_an_excerpt_of_g722_equals_the_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.g722", noise(32_000), 16_000, "g722", "g722")
    whole, _ = read_audio(path)
    assert torch.equal(read_audio(path, start=0.61, duration=0.5)[0], whole[9760 : 9760 + 8000])


@pytest.mark.parametrize(
    ("start", "duration"),
    [(-1.0, None), (0.0, 0.0), (0.0, -1.0), (3.0, None), (2.0, 1.0), (float("nan"), None), (0.0, float("inf"))],
)
def test_impossible_excerpts(tmp_path: Path, start: float, duration: float | None) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(32_000), 16_000)
    with pytest.raises(AudioError, match=r"a\.wav: .*excerpt"):
        read_audio(path, None, start, duration)


@pytest.mark.parametrize(("rate", "num_channels"), [(16_000, 1), (44_100, 2), (8000, 1)])
def test_a_stream_is_the_whole_in_equal_blocks(tmp_path: Path, rate: int, num_channels: int) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(7 * rate + 11, num_channels), rate)
    whole, _ = read_audio(path, 16_000)
    for seconds in (0.01, 1.0, 3.3, 100.0):
        blocks = list(stream_audio(path, 16_000, seconds))
        assert torch.equal(torch.cat(blocks), whole)
        assert {len(block) for block in blocks[:-1]} <= {round(seconds * 16_000)}
        assert 0 < len(blocks[-1]) <= round(seconds * 16_000)


def test_a_stream_of_ffmpeg_is_the_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", noise(48_000), 16_000, "webm", "libopus")
    assert torch.equal(torch.cat(list(stream_audio(path, 16_000, 0.7))), read_audio(path, 16_000)[0])


def test_a_stream_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(8000 * 600, np.int16), 8000)  # ten minutes: 38 MB as float32 at 16 kHz
    tracemalloc.start()
    total = sum(len(block) for block in stream_audio(path, 16_000, 5.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 16_000 * 600
    assert peak < 6_000_000


def test_paths_as_text_and_whole_rates_as_floats(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(44_100), 22_050)
    whole, _ = read_audio(path, 16_000)
    assert torch.equal(read_audio(str(path), 16_000)[0], whole)
    signal, rate = read_audio(str(path), np.float64(16_000.0))
    assert torch.equal(signal, whole) and rate == 16_000 and isinstance(rate, int)
    parts = [read_audio(path, 16_000.0, 0.0, 1.0)[0], read_audio(str(path), 16_000.0, 1.0)[0]]
    assert float((torch.cat(parts) - whole).abs().max()) < 2e-5
    assert torch.equal(torch.cat(list(stream_audio(str(path), 16_000.0, 0.5))), whole)
    assert probe(str(path)) == probe(path)
    for rate in (16_000.5, 0, -8000, float("nan"), float("inf")):
        with pytest.raises(DataError, match="sample_rate is to be a whole number of Hz above 0"):
            read_audio(path, rate)
        with pytest.raises(DataError, match="sample_rate is to be a whole number of Hz above 0"):
            next(stream_audio(path, rate))


@pytest.mark.parametrize("rate", [384_000, 384_002, 500_000, 1_000_000])
def test_recorders_of_bats(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate // 2, rate, 1000), rate)
    signal, _ = read_audio(path, 16_000)
    assert len(signal) == 8000
    assert float(torch.fft.rfft(signal).abs().argmax()) == 500
    assert torch.allclose(read_audio(path, 16_000, 0.25, 0.1)[0], signal[4000:5600], atol=2e-5)


def test_a_stream_of_chosen_channels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(40_000, 3), 22_050)
    blocks = list(stream_audio(tmp_path / "a.wav", 16_000, 0.5, [2]))
    assert torch.equal(torch.cat(blocks), read_audio(tmp_path / "a.wav", 16_000, channels=[2])[0])


def test_a_header_without_channels_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1000), 16_000)
    content = bytearray(path.read_bytes())
    content[22:24] = b"\0\0"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.wav: the header says that it has no channels") as caught:
        read_audio(path)
    assert caught.value.reason == "unreadable"


def test_spaces_and_any_script_in_names(tmp_path: Path) -> None:
    folder = tmp_path / "мои записи 🎙"
    folder.mkdir()
    for name in ("hé llo.wav", "日本語.flac", "a'b\"c?.wav"):
        soundfile.write(folder / name, noise(1600), 16_000)
        assert len(read_audio(folder / name)[0]) == 1600
    path = encode(folder / "да нет.m4a", noise(16_000), 16_000, "mp4", "aac")
    assert len(read_audio(path)[0]) > 15_000


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    soundfile.write(tmp_path / "a.wav", noise(1600), 16_000)
    (tmp_path / "a.wav").rename(path)
    assert len(read_audio(path)[0]) == 1600


# Bad files


def write_text(path: Path) -> None:
    path.write_text("this is not audio\n" * 50)


def write_playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")


def write_nan(path: Path) -> None:
    samples = noise(100_000)
    samples[70_001] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def write_infinity(path: Path) -> None:
    samples = noise(300, 2)
    samples[7] = np.inf, -np.inf
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def write_truncated(path: Path) -> None:
    soundfile.write(path, noise(200_000), 16_000)
    halve(path)


def write_one_sample_short(path: Path) -> None:
    soundfile.write(path, noise(1000), 16_000)
    path.write_bytes(path.read_bytes()[:-2])


BAD = {
    "empty.wav": (lambda path: path.write_bytes(b""), "empty", r"0 bytes"),
    "empty.g722": (lambda path: path.write_bytes(b""), "empty", r"0 bytes"),
    "missing.wav": (lambda path: None, "missing", "no such file"),
    "folder.wav": (lambda path: path.mkdir(), "missing", "folder"),
    "text.wav": (write_text, "unreadable", "neither libsndfile nor FFmpeg"),
    "text.txt": (write_text, "unreadable", "audio"),
    "text.raw": (write_text, "unreadable", "audio"),
    "playlist.wav": (write_playlist, "unreadable", "neither libsndfile nor FFmpeg"),
    "nan.wav": (write_nan, "non_finite", "sample 70001 is not a finite number"),
    "infinity.wav": (write_infinity, "non_finite", "sample 7 is not a finite number"),
    "loud.wav": (lambda path: soundfile.write(path, noise(300) * 3e4, 16_000, subtype="FLOAT"), "amplitude", r"within \[-1, 1\]"),
    "no_samples.wav": (lambda path: soundfile.write(path, noise(0), 16_000), "zero_length", "zero length"),
    "slow.wav": (lambda path: soundfile.write(path, noise(300), 3), "sample_rate", "3 Hz; accepted are 1000 to 1000000 Hz"),
    "fast.wav": (lambda path: soundfile.write(path, noise(300), 5_000_000), "sample_rate", "accepted are 1000 to 1000000 Hz"),
    "truncated.wav": (write_truncated, "truncated", "promises 400,000 bytes, 199,978 are there"),
    "short.wav": (write_one_sample_short, "truncated", "promises 2,000 bytes, 1,998 are there"),
    "truncated.aiff": (write_truncated, "truncated", "promises"),
    "truncated.w64": (write_truncated, "truncated", "promises"),
    "truncated.rf64": (write_truncated, "truncated", "promises"),
    "truncated.au": (write_truncated, "truncated", "promises"),
    "truncated.flac": (write_truncated, "truncated", r"stopped after .* of 12\.50 s"),
    "truncated.mp3": (write_truncated, "truncated", r"stopped after .* of 12\.50 s"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write, reason, message = BAD[name]
    write(path)
    with pytest.raises(DataError, match=message) as caught:
        read_audio(path, 16_000)
    assert isinstance(caught.value, AudioError)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(str(path))
    with pytest.raises(AudioError, match=message):
        list(stream_audio(path, 16_000))
    if path.is_file():
        with pytest.raises(AudioError, match=message):
            read_audio(path, 16_000, data=path.read_bytes())
    if reason not in ("non_finite", "amplitude") and not name.endswith(("flac", "mp3")):  # these need decoding
        with pytest.raises(AudioError, match=message):
            probe(path)


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [("mp4", "aac", {"movflags": "faststart"}), ("matroska", "aac", {}), ("webm", "libopus", {})],
)
def test_truncated_containers_are_found_and_ffmpeg_keeps_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], container: str, codec: str, options: dict[str, str]
) -> None:
    path = halve(encode(tmp_path / "a.bin", noise(160_000), 16_000, container, codec, **options))
    with pytest.raises(AudioError, match=r"stopped after .* of 10\.\d\d s.*truncated") as caught:
        read_audio(path)
    assert caught.value.reason == "truncated"
    assert capfd.readouterr() == ("", "")


def test_damaged_bytes_do_not_print(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = encode(tmp_path / "a.aac", noise(160_000), 16_000, "adts", "aac")
    content = bytearray(path.read_bytes())
    content[20_000:20_400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(content)
    try:
        read_audio(path)
    except AudioError as error:
        assert error.reason in ("truncated", "unreadable")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_wav_that_was_written_to_a_pipe_is_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1000), 16_000)
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_audio(path)[0]) == 1000


def test_an_mp3_without_a_length_is_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", tone(32_000, 16_000), 16_000, "mp3", "libmp3lame", write_xing="0")
    assert abs(len(read_audio(path)[0]) - 32_000) < 2500
    assert len(read_audio(path)[0]) == probe(path).num_samples


def test_the_error_survives_pickling(tmp_path: Path) -> None:
    error = pickle.loads(pickle.dumps(AudioError("empty", tmp_path / "a.wav", "the file is empty.")))
    assert (error.reason, str(error)) == ("empty", f"{tmp_path / 'a.wav'}: the file is empty.")
