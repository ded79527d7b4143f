"""Manifests, recordings and names."""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from hostile_case import MARK, case

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.extract import embed_paths
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.corpora.opening import open_corpus
from audiossl.teachers.logmel import LogMelEncoder

# Corpora


def good_corpus(folder: Path) -> Path:
    soundfile.write(folder / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    build_corpus([Item(id="a", path=folder / "a.wav")], folder / "corpus")
    return folder / "corpus"


def read_corpus(folder: Path) -> None:
    corpus = open_corpus(folder / "corpus")
    for item in corpus.items:
        corpus.read(item)


def corpus_with(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = good_corpus(folder) / "cuts.jsonl.gz"
        with gzip.open(path, "rt") as file:
            line = json.loads(file.readline())
        change(line)
        with gzip.open(path, "wt") as file:
            file.write(json.dumps(line) + "\n")

    return make


def put(*keys: str | int, value: object) -> Callable[[dict], object]:
    def change(line: dict) -> None:
        place = line
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


case("manifests", "text in place of a duration", read_corpus)(corpus_with(put("duration", value="long")))
case("manifests", "a duration that is not a number (NaN)", read_corpus)(corpus_with(put("duration", value=float("nan"))))
case("manifests", "an endless duration", read_corpus)(corpus_with(put("duration", value=float("inf"))))
case("manifests", "a duration of 10^12 seconds", read_corpus)(corpus_with(put("duration", value=1e12)))
case("manifests", "a negative start", read_corpus)(corpus_with(put("start", value=-5.0)))
case("manifests", "2^60 samples", read_corpus)(corpus_with(put("recording", "num_samples", value=2**60)))
case("manifests", "a rate of 0", read_corpus)(corpus_with(put("recording", "sampling_rate", value=0)))
case("manifests", "a list in place of a recording", read_corpus)(corpus_with(put("recording", value=[])))
case("manifests", "an id that is a dict", read_corpus)(corpus_with(put("id", value={})))
case("manifests", "a source that is a command", read_corpus)(
    corpus_with(lambda line: line["recording"]["sources"][0].update(type="command", source=f"touch {MARK}"))
)


def lhotse_manifest(mixed: bool) -> Callable[[Path], None]:
    """A manifest of lhotse's own whose recording, or that of a track, is the output of a command."""

    def make(folder: Path) -> None:
        with gzip.open(good_corpus(folder) / "cuts.jsonl.gz", "rt") as file:
            line = json.loads(file.readline())
        line["recording"]["sources"][0].update(type="command", source=f"touch {MARK}")
        if mixed:
            line = {"id": "mix", "tracks": [{"cut": line, "type": "MonoCut", "offset": 0.0}], "type": "MixedCut"}
        (folder / "cuts.jsonl").write_text(json.dumps(line) + "\n")

    return make


def read_lhotse_manifest(folder: Path) -> None:
    corpus = Corpus.from_cuts(folder / "cuts.jsonl")
    for item in corpus.items:
        corpus.read(item)


case("manifests", "lhotse's own manifest with a command", read_lhotse_manifest)(lhotse_manifest(mixed=False))
case("manifests", "lhotse's own manifest with a command in a mixture", read_lhotse_manifest)(lhotse_manifest(mixed=True))
case("manifests", "a source that is a device without end", read_corpus)(
    corpus_with(put("recording", "sources", 0, "source", value="/dev/zero"))
)
case("manifests", "channel 10^9", read_corpus)(corpus_with(put("channel", value=10**9)))


@case("manifests", "a summary with wrong types", read_corpus)
def _(folder: Path) -> None:
    path = good_corpus(folder) / "corpus.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "x")))


@case("manifests", "lines nested 100,000 deep", read_corpus)
def _(folder: Path) -> None:
    with gzip.open(good_corpus(folder) / "cuts.jsonl.gz", "wt") as file:
        file.write("[" * 100_000 + "\n")


@case("manifests", "gzip that is cut", read_corpus)
def _(folder: Path) -> None:
    path = good_corpus(folder) / "cuts.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-10])


# Audio


def embed(folder: Path) -> None:
    embed_paths(Embedder(LogMelEncoder()), [folder / "audio"], folder / "store")


def wav_header(channels: int, rate: int, data: int, bits: int = 16, riff: int = 36) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate, (rate * channels * bits // 8) % 2**32, (channels * bits // 8) % 2**16, bits)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", data)


def audio(raw: bytes, name: str = "x.wav") -> Callable[[Path], int]:
    def make(folder: Path) -> int:
        (folder / "audio").mkdir()
        return (folder / "audio" / name).write_bytes(raw)

    return make


case("audio", "WAV that claims 2^31 samples and has 100", embed, "read or rejected")(
    audio(wav_header(1, 16000, 2**32 - 2) + bytes(200))
)
case("audio", "WAV with 1,000 channels", embed, "read or rejected")(
    audio(wav_header(1000, 16000, 2000 * 800) + bytes(2000 * 800))
)
case("audio", "WAV with no channels", embed, "rejected")(audio(wav_header(0, 16000, 200) + bytes(200)))
case("audio", "WAV with a rate of 0", embed, "rejected")(audio(wav_header(1, 0, 200) + bytes(200)))
case("audio", "WAV with a rate of 2^32 - 1", embed, "rejected")(audio(wav_header(1, 2**32 - 1, 2000) + bytes(2000)))
case("audio", "WAV with a rate of 1 Hz, which at 16 kHz is 16,000 times as long", embed, "read or rejected")(
    audio(wav_header(1, 1, 200_000) + bytes(200_000))
)
case("audio", "WAV with 64,000 bits a sample", embed, "rejected")(audio(wav_header(1, 16000, 200, 64000) + bytes(200)))
case("audio", "noise named .wav", embed, "rejected")(audio(np.random.default_rng(0).bytes(50_000)))
case("audio", "noise named .mp4", embed, "rejected")(
    audio(b"\0\0\0\x18ftypmp42" + np.random.default_rng(0).bytes(50_000), "x.mp4")
)
case("audio", "a zip file named .flac", embed, "rejected")(audio(b"PK\x03\x04" + bytes(1000), "x.flac"))
case("audio", "a playlist that names another file", embed, "rejected")(
    audio(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "x.mp3")
)
case("audio", "an empty file", embed, "rejected")(audio(b""))
case("audio", "samples that are not numbers", embed, "rejected")(
    audio(
        b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\3\0\1\0"
        + struct.pack("<IIHH", 16000, 64000, 4, 32)
        + b"data"
        + struct.pack("<I", 64000)
        + np.full(16000, np.nan, "<f4").tobytes()
    )
)


@case("names", "names with line breaks, quotes, `$()`, `;`, backticks, tags and a leading dash", embed, "read")
def _(folder: Path) -> None:
    (folder / "audio").mkdir()
    tone = 0.1 * np.sin(np.arange(8000))
    for name in (
        "a\nb",
        "a\rb",
        "$(touch executed)",
        "`touch executed`",
        ";touch executed",
        "'\"",
        "-rf",
        "<script>",
        "é\u202e",
        " ",
        "\u2028",
    ):
        with (folder / "audio" / f"{name}.wav").open("wb") as file:
            soundfile.write(file, tone, 16000, format="WAV")


@case("names", "a name that is not UTF-8", embed, "rejected")
def _(folder: Path) -> None:
    (folder / "audio").mkdir()
    soundfile.write(folder / "audio" / "a.wav", np.zeros(8000), 16000)
    (folder / "audio" / "a.wav").rename(folder / "audio" / os.fsdecode(b"\xff.wav"))


@case("names", "a link to a folder above, without end", embed, "read")
def _(folder: Path) -> None:
    audio(wav_header(1, 16000, 20_000) + bytes(20_000))(folder)
    (folder / "audio" / "loop").symlink_to(folder / "audio")
