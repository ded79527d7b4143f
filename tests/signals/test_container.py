"""What is read is the whole, probe and read agree, and every excerpt equals the same samples of the whole."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from encoded import VBR, ffmpeg, libsndfile, sounds
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.signals.audio import probe, read_audio, stream_audio
from audiossl.signals.container import inspect_container
from audiossl.signals.decoder import AudioError
from audiossl.signals.mpeg_header import MpegFrame, after_id3v2

SECONDS = 3.0
TAG = b"TAG" + b"x" * 125
COVER = b"ID3\x03\0\0\0\x02\x30\x20" + np.random.default_rng(0).bytes((2 << 14) + (0x30 << 7) + 0x20)


def mp3(rate: int = 44_100, **options) -> bytes:
    return ffmpeg(sounds(SECONDS, rate), rate, "libmp3lame", "mp3", **options)


def flac_in_ogg(rate: int = 16_000) -> bytes:
    return ffmpeg(sounds(SECONDS, rate), rate, "flac", "ogg")


def vorbis(rate: int = 16_000, seed: int = 0, seconds: float = SECONDS) -> bytes:
    return libsndfile(sounds(seconds, rate, seed), rate, "OGG", "VORBIS")


def opus(seed: int = 0) -> bytes:
    return ffmpeg(sounds(SECONDS, 48_000, seed), 48_000, "libopus", "ogg")


def short_flac() -> bytes:
    """A header that counts 16,000 of the samples: the writer was stopped after it had filled it in once."""
    data = bytearray(libsndfile(sounds(SECONDS, 16_000), 16_000, "FLAC"))
    data[21] &= 0xF0
    data[22:26] = struct.pack(">I", 16_000)
    return bytes(data)


def short_xing(data: bytes) -> bytes:
    """A Xing header that counts a third of the frames."""
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    frames = int.from_bytes(data[at : at + 4], "big") // 3
    return data[:at] + frames.to_bytes(4, "big") + data[at + 4 :]


def vbri() -> bytes:
    data = mp3(pipe=True)
    first = after_id3v2(io.BytesIO(data), 0)
    frame = MpegFrame.parse(data[first : first + 4])
    assert frame is not None and frame.size is not None
    about = bytearray(data[first : first + 4] + bytes(frame.size - 4))
    about[36:40] = b"VBRI"
    about[46:54] = struct.pack(">II", len(data) - first, round(SECONDS * 44_100 / 1152) + 1)
    return bytes(about) + data[first:]


def plain(container: str, rate: int = 16_000) -> bytes:
    return libsndfile(sounds(SECONDS, rate), rate, container)


def live_matroska(codec: str) -> bytes:
    return ffmpeg(sounds(SECONDS, 16_000), 16_000, codec, "matroska", pipe=True)


def on_disk(container: str, subtype: str) -> bytes:
    """What libsndfile writes to files only."""
    with tempfile.NamedTemporaryFile() as file:
        soundfile.write(file.name, sounds(SECONDS, 8000), 8000, format=container, subtype=subtype)
        return Path(file.name).read_bytes()


# What it is, the bytes, the name, how long it is in seconds, and by how much a codec may miss it
WHOLE = {
    "a VBR MP3 without Xing header": (lambda: mp3(options=VBR, pipe=True), "a.mp3", 3, 0.06),
    "an MP3 with one": (lambda: mp3(options=VBR), "a.mp3", 3, 0),
    "an ABR MP3 through a pipe": (lambda: mp3(options=(("abr", "1"),), bit_rate=64_000, pipe=True), "a.mp3", 3, 0.06),
    "an MP3 whose header counts too few": (lambda: short_xing(mp3()), "a.mp3", 3, 0.03),
    "an MP3 of 8 kHz through a pipe": (lambda: mp3(8000, pipe=True), "a.mp3", 3, 0.19),
    "an MP3 with a VBRI header": (vbri, "a.mp3", 3, 0.07),
    "an MP3 with a big cover picture": (lambda: COVER + mp3(), "a.mp3", 3, 0),
    "an MP3 with a cover picture through a pipe": (lambda: COVER + mp3(pipe=True), "a.mp3", 3, 0.06),
    "an MP3 with a tag behind": (lambda: mp3() + TAG, "a.mp3", 3, 0),
    "two MP3s one behind the other": (lambda: mp3() + mp3(), "a.mp3", 6, 0),
    "two with tags": (lambda: mp3() + TAG + COVER + mp3() + TAG, "a.mp3", 6, 0),
    "two that went through a pipe": (lambda: mp3(pipe=True) * 2, "a.mp3", 6, 0.12),
    "two with tags that went through a pipe": (lambda: (mp3(pipe=True) + TAG) * 2, "a.mp3", 6, 0.12),
    "MP3 in WAV": (lambda: ffmpeg(sounds(SECONDS, 44_100), 44_100, "libmp3lame", "wav"), "a.wav", 3, 0.06),
    "MPEG layer II": (lambda: ffmpeg(sounds(SECONDS, 48_000), 48_000, "mp2", "mp2", pipe=True), "a.mp2", 3, 0.03),
    "AAC without a container": (lambda: ffmpeg(sounds(SECONDS, 44_100), 44_100, "aac", "adts"), "a.aac", 3, 0.06),
    "a FLAC through a pipe": (lambda: ffmpeg(sounds(SECONDS, 16_000), 16_000, "flac", "flac", pipe=True), "a.flac", 3, 0),
    "a FLAC whose header counts too few": (short_flac, "a.flac", 3, 0),
    "FLAC in Ogg of unknown length": (flac_in_ogg, "a.oga", 3, 0),
    "a chain of FLAC in Ogg": (lambda: flac_in_ogg() * 2, "a.oga", 6, 0),
    "a chain of Vorbis": (lambda: vorbis() + vorbis(seed=1, seconds=3) + vorbis(), "a.ogg", 9, 0),
    "a chain of Vorbis with equal serial numbers": (lambda: vorbis() * 2, "a.ogg", 6, 0),
    "a chain of Opus": (lambda: opus() + opus(1), "a.opus", 6, 0),
    "Vorbis": (vorbis, "a.ogg", 3, 0),
    "Vorbis of 44.1 kHz": (lambda: vorbis(44_100), "a.ogg", 3, 0),
    "Vorbis of one page": (lambda: vorbis(seconds=0.3), "a.ogg", 0.3, 0),
    "Opus": (opus, "a.opus", 3, 0),
    "Opus in WebM": (lambda: ffmpeg(sounds(SECONDS, 48_000), 48_000, "libopus", "webm"), "a.webm", 3, 0.02),
    "WebM without a duration": (
        lambda: ffmpeg(sounds(SECONDS, 48_000), 48_000, "libopus", "webm", pipe=True),
        "a.webm",
        3,
        0.02,
    ),
    "AAC in MP4": (lambda: ffmpeg(sounds(SECONDS, 44_100), 44_100, "aac", "mp4"), "a.m4a", 3, 0.03),
    "a transport stream": (lambda: ffmpeg(sounds(SECONDS, 44_100), 44_100, "aac", "mpegts"), "a.ts", 3, 0.06),
    "GSM 6.10": (lambda: on_disk("WAV", "GSM610"), "a.wav", 3, 0.05),
    "G.721": (lambda: on_disk("AU", "G721_32"), "a.au", 3, 0.05),
    "NMS ADPCM": (lambda: on_disk("WAV", "NMS_ADPCM_32"), "a.wav", 3, 0.05),
    "DWVW": (lambda: on_disk("AIFF", "DWVW_16"), "a.aiff", 3, 0),
    "IMA ADPCM": (lambda: libsndfile(sounds(SECONDS, 16_000), 16_000, "WAV", "IMA_ADPCM"), "a.wav", 3, 0.07),
    "MS ADPCM": (lambda: libsndfile(sounds(SECONDS, 16_000), 16_000, "WAV", "MS_ADPCM"), "a.wav", 3, 0.07),
    "ALAC": (lambda: ffmpeg(sounds(SECONDS, 16_000), 16_000, "alac", "mp4"), "a.m4a", 3, 0.01),
    "PCM in Matroska without a duration": (lambda: live_matroska("pcm_s16le"), "a.mkv", 3, 0.02),
    "MP3 in Matroska without a duration": (lambda: live_matroska("libmp3lame"), "a.mkv", 3, 0.06),
    "two WAVs one behind the other": (lambda: plain("WAV") * 2, "a.wav", 6, 0),
    "three AIFFs": (lambda: plain("AIFF") * 3, "a.aiff", 9, 0),
    "a WAV with an ID3 tag in front": (lambda: COVER + plain("WAV"), "a.wav", 3, 0),
    "a FLAC with an ID3v1 tag": (lambda: plain("FLAC") + TAG, "a.flac", 3, 0),
    "a FLAC with an APE tag": (lambda: plain("FLAC") + b"APETAGEX" + bytes(24), "a.flac", 3, 0),
    "a FLAC with zero bytes behind": (lambda: plain("FLAC") + bytes(5000), "a.flac", 3, 0),
    "WavPack": (lambda: ffmpeg(sounds(SECONDS, 16_000), 16_000, "wavpack", "wv"), "a.wv", 3, 0),
    "WavPack through a pipe": (lambda: ffmpeg(sounds(SECONDS, 16_000), 16_000, "wavpack", "wv", pipe=True), "a.wv", 3, 0),
    "SPHERE": (lambda: plain("NIST"), "a.sph", 3, 0),
    "24-bit AIFF": (lambda: libsndfile(sounds(SECONDS, 16_000), 16_000, "AIFF", "PCM_24"), "a.aiff", 3, 0),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_the_whole_is_read_and_excerpts_are_part_of_it(tmp_path: Path, kind: str) -> None:
    make, name, seconds, tolerance = WHOLE[kind]
    path = tmp_path / name
    path.write_bytes(make())
    whole, rate = read_audio(path)
    assert -1e-9 <= len(whole) / rate - seconds <= tolerance + 1e-9
    assert probe(path).num_samples == len(whole)
    resampled, _ = read_audio(path, 11_025)
    rng = np.random.default_rng(0)
    starts = [*rng.uniform(0, len(whole) / rate, 2), len(whole) / rate - 0.02]
    for start in starts:
        first = round(start * rate)
        if first < len(whole):
            part = read_audio(path, None, start, 0.2)[0]
            assert len(part) == min(round(0.2 * rate), len(whole) - first)
            assert float((part - whole[first : first + len(part)]).abs().max()) < 1e-5
        first = round(start * 11_025)
        if first < len(resampled):
            part = read_audio(path, 11_025, start, 0.2)[0]
            assert float((part - resampled[first : first + len(part)]).abs().max()) < 1e-5
    assert torch.equal(torch.cat(list(stream_audio(path, 11_025, 1.7))), resampled)
    assert torch.equal(read_audio(path, data=path.read_bytes())[0], whole)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["an MP3 with one", "Vorbis", "a chain of Vorbis", "IMA ADPCM", "GSM 6.10"]),
    st.floats(0, 1),
    st.floats(0.01, 2),
)
def test_any_excerpt_of_a_format_with_memory(tmp_path_factory, kind: str, place: float, duration: float) -> None:
    make, name, *_ = WHOLE[kind]
    path = tmp_path_factory.getbasetemp() / f"{list(WHOLE).index(kind)}{name}"
    if not path.exists():
        path.write_bytes(make())
    whole, rate = read_audio(path)
    start = place * (len(whole) - 1) / rate
    part, _ = read_audio(path, None, start, duration)
    first = round(start * rate)
    assert float((part - whole[first : first + len(part)]).abs().max()) < 1e-5
    assert len(part) == min(round(duration * rate), len(whole) - first)


def test_a_whole_that_is_longer_than_a_block_is_decoded_without_a_break(tmp_path: Path) -> None:
    for name, data in (("a.mp3", mp3(options=VBR)), ("a.ogg", vorbis(44_100)), ("a.opus", opus())):
        path = tmp_path / name
        path.write_bytes(data)
        assert np.array_equal(read_audio(path)[0].numpy(), soundfile.read(path, dtype="float32")[0])


REFUSED = {
    "MP3s of two rates": (lambda: mp3() + mp3(48_000), "a.mp3", r"at 3\.00 s, has 48000 Hz and 1 channels, the first 44100 Hz"),
    "Vorbis of two rates": (lambda: vorbis() + vorbis(44_100), "a.ogg", "recording 2 of the 2 .* 44100 Hz .*Split the file"),
    "FLAC in Ogg of two rates": (
        lambda: flac_in_ogg() + flac_in_ogg(48_000),
        "a.oga",
        "a chain of recordings with 16000 Hz and 1 channels, 48000 Hz and 1 channels. Split it",
    ),
    "WAVs of two rates": (lambda: plain("WAV") + plain("WAV", 8000), "a.wav", r"at 3\.00 s, has 8000 Hz and 1 channels"),
    "a second WAV that ends early": (lambda: plain("WAV") + plain("WAV")[:-999], "a.wav", "the header promises 96,000 bytes"),
    "SPHERE that ends early": (lambda: plain("NIST")[:-999], "a.sph", "promises 48,000 samples, 47,50[01] are there"),
    "CAF that ends early": (lambda: plain("CAF")[:-999], "a.caf", "the header promises 96,000 bytes, 95,001 are there"),
    "WavPack that ends early": (
        lambda: ffmpeg(sounds(SECONDS, 16_000), 16_000, "wavpack", "wv")[:-9999],
        "a.wv",
        r"stopped after 0\.00 s of 3\.00 s",
    ),
    "a FLAC with a tag that ends early": (lambda: plain("FLAC")[:-9000] + TAG, "a.flac", r"stopped after .* of 3\.00 s"),
    "an MP3 that ends early": (lambda: mp3()[: len(mp3()) // 2], "a.mp3", r"stopped after .* of 3\.00 s"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_whole_is_refused_with_its_reason(tmp_path: Path, kind: str) -> None:
    make, name, message = REFUSED[kind]
    path = tmp_path / name
    path.write_bytes(make())
    for read in (read_audio, probe):
        with pytest.raises(AudioError, match=message) as caught:
            read(path)
        assert caught.value.reason == ("truncated" if "early" in kind else "unreadable")
        assert str(caught.value).startswith(str(path))


def test_an_mp3_of_free_format_is_refused_by_name(tmp_path: Path) -> None:
    data = bytearray(ffmpeg(sounds(2.0, 48_000), 48_000, "libmp3lame", "mp3", (("reservoir", "0"),), True, 128_000))
    at = after_id3v2(io.BytesIO(data), 0)
    while (frame := MpegFrame.parse(bytes(data[at : at + 4]))) is not None and frame.size:
        data[at + 2] &= 0x0F
        at += frame.size
    (tmp_path / "a.mp3").write_bytes(data)
    with pytest.raises(AudioError, match=r"a\.mp3: an MP3 of free format"):
        read_audio(tmp_path / "a.mp3")


def test_segments_of_ffmpeg_begin_at_their_own_beginning(tmp_path: Path) -> None:
    import av

    samples = sounds(SECONDS, 16_000)
    with av.open(str(tmp_path / "%d.flac"), "w", format="segment", options={"segment_time": "2"}) as output:
        stream = output.add_stream("flac", rate=16_000, layout="mono")
        for first in range(0, len(samples), 4096):
            block = (samples[None, first : first + 4096] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, first
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    parts = [read_audio(tmp_path / f"{number}.flac")[0] for number in range(2)]
    assert sum(map(len, parts)) == len(samples)
    assert [probe(tmp_path / f"{number}.flac").num_filled for number in range(2)] == [0, 0]
    np.testing.assert_allclose(torch.cat(parts).numpy(), samples, atol=1e-4)


def test_a_plain_file_is_read_in_a_few_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(libsndfile(sounds(SECONDS, 16_000), 16_000, "WAV"))
    assert inspect_container(path).is_believed
    assert inspect_container(path).samples is None
