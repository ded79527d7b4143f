from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from encoded import beeps, beginnings, ffmpeg, moved_after
from hypothesis import given
from hypothesis import strategies as st

from audiossl.signals.audio import probe, read_audio
from audiossl.signals.decoder import AudioError, DecoderStoppedError
from audiossl.signals.timeline import TOLERANCE_SECONDS, Timeline

RATE = 48_000
FORMATS = [
    ("webm", "libopus"),
    ("mp4", "aac"),
    ("matroska", "aac"),
    ("matroska", "pcm_s16le"),
    ("mpegts", "mp2"),
    ("mp4", "alac"),
]


@pytest.mark.parametrize(("container", "codec"), FORMATS)
@pytest.mark.parametrize(("at", "gap"), [(1.9, 0.4), (1.9, 7.0), (0.0, 2.0)])
def test_a_gap_becomes_silence_and_shifts_nothing(tmp_path: Path, container: str, codec: str, at: float, gap: float) -> None:
    path, data = tmp_path / "a.bin", ffmpeg(beeps(3.0, RATE), RATE, codec, container)
    path.write_bytes(data)
    before = beginnings(read_audio(path)[0].numpy(), RATE)
    assert before == pytest.approx([0.5, 1.5, 2.5], abs=0.025)
    assert probe(path).num_filled == 0
    path.write_bytes(moved_after(data, container, at, gap))
    signal, _ = read_audio(path)
    is_relative = container == "mpegts" and at == 0  # its clock begins anywhere
    expected = [time + gap * (time > at and not is_relative) for time in before]
    assert beginnings(signal.numpy(), RATE) == pytest.approx(expected, abs=0.002)
    about = probe(path)
    assert about.num_samples == len(signal)
    assert about.num_filled == pytest.approx(0 if is_relative else gap * RATE, abs=50)
    part = read_audio(path, None, expected[2] - 0.1, 0.3)[0]
    first = round((expected[2] - 0.1) * RATE)
    assert float((part - signal[first : first + len(part)]).abs().max()) == 0


def test_an_audio_track_that_begins_after_the_picture(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mp4"
    samples = beeps(2.0, RATE)
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        audio = output.add_stream("aac", rate=RATE, layout="mono")
        for number in range(40):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts = number
            output.mux(video.encode(picture))
        for first in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, first + 2 * RATE
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
        output.mux(video.encode(None))
    assert beginnings(read_audio(path)[0].numpy(), RATE) == pytest.approx([2.5, 3.5], abs=0.03)
    assert probe(path).num_filled == pytest.approx(2 * RATE, abs=2048)


def test_a_leap_of_more_than_an_hour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    path.write_bytes(moved_after(ffmpeg(beeps(3.0, RATE), RATE, "aac", "matroska"), "matroska", 1.9, 5000.0))
    with pytest.raises(AudioError, match=r"a\.mka: decoding stopped after 1\.9\d s: the time stamps leap by 5000 s") as caught:
        read_audio(path)
    assert caught.value.reason == "unreadable"


def placed(timeline: Timeline, pieces: list[tuple[int | None, int]]) -> np.ndarray:
    """Blocks of ones that begin at a stamp, put together."""
    blocks = [block for stamp, size in pieces for block in timeline.place(stamp, np.ones((size, 1), np.float32))]
    return np.concatenate(blocks)[:, 0]


@given(st.integers(-900, 100_000), st.integers(1, 3000))
def test_what_follows_lies_where_its_stamp_says(gap: int, size: int) -> None:
    """Gaps, and overlaps up to a second, at 1,000 Hz; below the tolerance nothing moves."""
    timeline = Timeline(1000, 0)
    signal = placed(timeline, [(0, 2000), (2000 + gap, size)])
    if abs(gap) <= TOLERANCE_SECONDS * 1000:
        assert len(signal) == 2000 + size
        assert (timeline.num_filled, timeline.num_dropped) == (0, 0)
    else:
        assert len(signal) == max(2000, 2000 + gap + size)
        assert timeline.num_filled == max(0, gap) == (signal == 0).sum()
        assert timeline.num_dropped == min(max(0, -gap), size)


def test_small_errors_do_not_add_up() -> None:
    timeline = Timeline(1000, 0)
    late = [(round(number * 102), 100) for number in range(100)]  # a clock that is 2 % slow
    signal = placed(timeline, late)
    assert abs(len(signal) - 100 * 102) <= 32
    assert 150 <= timeline.num_filled <= 200


def test_a_clock_that_begins_anew_goes_on() -> None:
    timeline = Timeline(1000, 0)
    assert len(placed(timeline, [(0, 3000), (0, 3000), (3000, 500), (None, 10)])) == 6510
    assert (timeline.num_filled, timeline.num_dropped) == (0, 0)


def test_the_first_stamp_is_the_origin_where_there_is_no_other() -> None:
    assert len(placed(Timeline(1000, None), [(777_000, 10), (777_010, 10)])) == 20
    assert len(placed(Timeline(1000, 0), [(-64, 100), (36, 10)])) == 110  # samples in front of 0 are kept
    with pytest.raises(DecoderStoppedError, match="leap"):
        placed(Timeline(1000, 0), [(0, 10), (10**8, 10)])
