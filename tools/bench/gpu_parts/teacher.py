"""Tokenising and embedding FLAC files from end to end, with a teacher of the shape of WavLM Large."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from peers import make_peer

from audiossl import open_corpus
from audiossl.embedding import Embedder, embed_paths
from audiossl.models import Zipformer
from audiossl.pipelines.tokenise.corpus import encode_corpus
from audiossl.signals.corpora.corpus import Corpus
from audiossl.teachers.hugging_face import HuggingFaceEncoder
from audiossl.teachers.teacher import Teacher
from audiossl.tokens import MultiCodebookQuantizer
from gpu_parts.quantisers import QUALITIES
from gpu_parts.recordings import make_recordings
from gpu_parts.setting import Rows, Setting
from gpu_parts.timing import seconds_of


def make_teacher(setting: Setting) -> Teacher:
    """Layer 21 of a WavLM Large with random weights, in windows of 20 s as recipes read it."""
    torch.manual_seed(0)
    layer = setting.size(21, 1)
    encoder = HuggingFaceEncoder(make_peer("wavlm", setting.size("large", "tiny")), normalise_waveform=True, last_layer=layer)
    return Teacher(Embedder(encoder, "wavlm", 20, 2).to(setting.device), layer, f"wavlm:{layer}")


def measure(setting: Setting) -> list[dict[str, object]]:
    """Audio seconds per second of the teacher, of each search alone, and of whole commands."""
    rows, folder = Rows(), setting.work / "flac"
    seconds = make_recordings(folder, setting.size(300, 2), setting.size(16.0, 1.0))
    corpus, teacher = open_corpus(folder), make_teacher(setting)
    rows.add("files", "hours", seconds / 3600)
    rows.add("files", "CPU cores", float(os.cpu_count() or 1))

    def speed(case: str, run: Callable[[], object]) -> None:
        with rows.attempt(case):
            rows.add(case, "audio s/s", seconds / seconds_of(run, setting.device))

    signals = [corpus.read(item) for item in corpus.items]
    speed("decoding", lambda: [corpus.read(item) for item in corpus.items])
    teacher.frames(signals[:2])  # chooses kernels
    clips: list[torch.Tensor] = []
    speed("teacher", lambda: clips.extend(teacher.frames(signals)))
    frames = torch.cat(clips)
    codebooks, entries = setting.size((16, 256), (2, 8))
    options = {"steps": setting.size(5, 1), "device": setting.device, "progress": False}
    quantiser = MultiCodebookQuantizer.fit(frames[: setting.size(20_000, 200)], codebooks, entries, **options)
    for quality in QUALITIES:
        quantiser.encode(frames[:512], quality)
        speed(f"search, {quality}", lambda quality=quality: quantiser.encode(frames, quality))
        speed(f"tokenise, {quality}", lambda quality=quality: _tokenise(teacher, quantiser, corpus, setting.work, quality))
    speed("embed, WavLM Large", lambda: _embed(teacher.embedder, folder, setting.work / "embedded-teacher"))
    student = Embedder(Zipformer.from_preset(setting.size("base", "tiny")).eval()).to(setting.device)
    student.embed(signals[:2])
    speed("embed, Zipformer Base", lambda: _embed(student, folder, setting.work / "embedded-student"))
    return rows.rows


def _tokenise(teacher: Teacher, quantiser: MultiCodebookQuantizer, corpus: Corpus, work: Path, quality: str) -> None:
    done = encode_corpus(teacher, quantiser, corpus, work / f"tokens-{quality}", quality)
    if done.rejected:
        raise RuntimeError(
            f"{len(done.rejected)} of {len(corpus.items)} files were rejected, first: {done.rejected[0]['reason']}"
        )


def _embed(embedder: Embedder, folder: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    summary = embed_paths(embedder, [folder], out, progress=False)
    if summary.num_rejected:
        raise RuntimeError(f"{summary.num_rejected} files were rejected, first: {summary.first_rejected}")
