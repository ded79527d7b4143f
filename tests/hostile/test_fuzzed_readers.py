"""Readers of files from elsewhere, fed with damaged and made-up bytes: our errors or a result, in bounded time."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import wave
import zipfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.embedding.store import EmbeddingStore, StoreDescription
from audiossl.embedding.store_writer import StoreWriter
from audiossl.errors import AudiosslError
from audiossl.models import Zipformer, hub
from audiossl.signals.audio import probe, read_audio
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus
from audiossl.signals.fetching.unpack import unpack
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter
from audiossl.training.checkpoints import load_checkpoint, save_checkpoint

fuzzed = settings(
    max_examples=60,
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@st.composite
def damaged(draw, good):
    """Good bytes of which some are changed, some are missing, or to which some are added."""
    raw = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(0, min(len(raw), draw(st.sampled_from([64, 512, len(raw)]))) - 1)))
        raw[place : place + 1] = draw(st.binary(max_size=4))
    return bytes(raw[: draw(st.sampled_from([len(raw), draw(st.integers(0, len(raw)))]))])


def audio_files():
    tone = (0.1 * np.sin(np.arange(4000) / 5)).astype(np.float32)
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", "PCM_16")):
        with io.BytesIO() as file:
            soundfile.write(file, tone, 16000, format=form, subtype=subtype)
            yield file.getvalue()
    with io.BytesIO() as file:
        with wave.open(file, "wb") as one:
            one.setnchannels(2), one.setsampwidth(3), one.setframerate(44100)
            one.writeframes(bytes(6000))
        yield file.getvalue()


@fuzzed
@given(damaged(list(audio_files())) | st.binary(max_size=300), st.sampled_from(["wav", "flac", "mp4", "g722", "ogg"]))
def test_audio(raw, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{suffix}"
        path.write_bytes(raw)
        try:
            info = probe(path)
            signal, _ = read_audio(path, 16000, 0.0, 0.1)
        except AudiosslError as error:
            assert path.name in str(error)
        else:
            assert info.num_samples > 0 and signal.isfinite().all() and len(signal) <= 1601


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    soundfile.write(folder / "a.wav", 0.1 * np.ones(16000), 16000)
    build_corpus([Item(id="a", path=folder / "a.wav", text="b", speaker="c")], folder / "corpus")
    return folder / "corpus"


def places(value, so_far=()):
    """Every place inside a JSON value."""
    yield so_far
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*so_far, key))


def replaced(value, place, new):
    """A copy of a JSON value with another one in a place."""
    if not place:
        return new
    copy = json.loads(json.dumps(value))
    inside = copy
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = new
    return copy


@fuzzed
@given(st.data())
def test_a_manifest(corpus, data):
    with gzip.open(corpus / "cuts.jsonl.gz", "rt") as file:
        line = json.loads(file.readline())
    changed = replaced(line, data.draw(st.sampled_from(list(places(line)))), data.draw(VALUES))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("corpus.json", "audio"):
            (Path(folder) / name).symlink_to(corpus / name)
        with gzip.open(Path(folder) / "cuts.jsonl.gz", "wt") as file:
            file.write(json.dumps(changed) + "\n")
        try:
            for item in (opened := Corpus.open(Path(folder))):
                opened.read(item)
        except AudiosslError:
            pass


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    state = {"model": {"weight": torch.ones(3, 2)}, "progress": {"step": 4}}
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), 4, state, 1).read_bytes()


@fuzzed
@given(st.data())
def test_a_checkpoint(checkpoint, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step-00000004.pt"
        path.write_bytes(data.draw(damaged([checkpoint]) | st.binary(max_size=200)))
        try:
            assert load_checkpoint(path)["step"] == 4
        except AudiosslError as error:
            assert path.name in str(error)


NARROW = {"encoder_dim": [32] * 5, "feedforward_dim": [48] * 5, "num_heads": [2] * 5, "encoder_unmasked_dim": [16] * 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    hub.save(Zipformer.from_preset("tiny", **NARROW), folder)
    return folder


@fuzzed
@given(st.data())
def test_a_model_config(model, data):
    config = json.loads((model / "config.json").read_text())
    changed = replaced(config, data.draw(st.sampled_from(list(places(config)))), data.draw(VALUES))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.safetensors").symlink_to(model / "model.safetensors")
        (Path(folder) / "config.json").write_text(json.dumps(changed))
        with suppress(AudiosslError):
            hub.load(folder)


def damage_a_copy(store, copy, data):
    """Copy a store's files, and change a value of one that is JSON, or bytes of one of any kind."""
    for path in store.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    path = data.draw(st.sampled_from(sorted(copy.iterdir())))
    if path.suffix == ".json" and data.draw(st.booleans()):
        about = json.loads(path.read_text())
        path.write_text(json.dumps(replaced(about, data.draw(st.sampled_from(list(places(about)))), data.draw(VALUES))))
    else:
        path.write_bytes(data.draw(damaged([path.read_bytes()])))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "store"
    with TokenWriter(folder, quantiser_id="q", num_codebooks=2, codebook_size=16, frame_rate=50.0) as writer:
        for name in "ab":
            writer.add(name, torch.ones(10, 2, dtype=torch.uint8))
    return folder


@fuzzed
@given(st.data())
def test_a_token_store(tokens, data):
    with tempfile.TemporaryDirectory() as folder:
        damage_a_copy(tokens, Path(folder), data)
        try:
            store = TokenStore.open(folder)
            for cut_id in store.cut_ids():
                assert store[cut_id].shape[1] == store.num_codebooks
        except AudiosslError:
            pass


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings") / "store"
    description = StoreDescription("m", "d", "last", 3, 50.0, 0.01, "float16", "frames")
    with StoreWriter(folder, description) as writer:
        writer.add("a", np.ones((1, 7, 3), np.float32))
    return folder


@fuzzed
@given(st.data())
def test_an_embedding_store(embeddings, data):
    with tempfile.TemporaryDirectory() as folder:
        damage_a_copy(embeddings, Path(folder), data)
        try:
            store = EmbeddingStore.open(folder)
            for item_id in store:
                store[item_id], store.times(item_id)
        except AudiosslError:
            pass


def archives():
    for kind in ("zip", "tar", "tar.gz"):
        with io.BytesIO() as file:
            if kind == "zip":
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr("a/b.txt", "x" * 500)
            else:
                with tarfile.open(fileobj=file, mode="w:gz" if kind == "tar.gz" else "w") as archive:
                    member = tarfile.TarInfo("a/b.txt")
                    member.size = 500
                    archive.addfile(member, io.BytesIO(b"x" * 500))
            yield kind, file.getvalue()


@fuzzed
@given(st.data(), st.sampled_from(list(archives())))
def test_an_archive(data, archive):
    kind, raw = archive
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in" / f"x.{kind}"
        path.parent.mkdir()
        path.write_bytes(data.draw(damaged([raw])))
        try:
            unpack(path, path.parent / "out")
        except AudiosslError as error:
            assert path.name in str(error)
        assert [item.name for item in Path(folder).iterdir()] == ["in"]
