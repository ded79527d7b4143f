"""`audiossl.load`: every kind of name, and a cheap `import audiossl`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audiossl
from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError, MissingExtraError, StoreError
from audiossl.models import hub
from audiossl.teachers.logmel import LogMelEncoder


@pytest.fixture(scope="module")
def checkpoint(checkpoint, tmp_path_factory):
    """Folder of a tiny Zipformer, as a run keeps it."""
    return shutil.copytree(checkpoint, tmp_path_factory.mktemp("run é") / "pretrain" / "student")


def test_logmel_twice():
    signal = torch.randn(1600)
    for _ in range(2):
        embedder = audiossl.load("logmel")
        assert isinstance(embedder, Embedder) and isinstance(embedder.encoder, LogMelEncoder) and embedder.name == "logmel"
        assert embedder.embed(signal).frames.shape == (10, 80)


def test_checkpoint_folder_and_run_folder(checkpoint):
    signal = torch.randn(4000)
    expected = audiossl.load(checkpoint).embed(signal).frames
    for name in (str(checkpoint), checkpoint.parents[1], str(checkpoint.parents[1]) + "/"):
        embedder = audiossl.load(name)
        assert torch.equal(embedder.embed(signal).frames, expected)
        assert embedder.name == str(name) and not embedder.training


def test_runs_that_hold_other_encoders(checkpoint, tmp_path):
    """A fine-tuning run, the model in it, and runs with a folder for each model and seed."""
    signal = torch.randn(4000)
    expected = audiossl.load(checkpoint).embed(signal).frames
    shutil.copytree(checkpoint, tmp_path / "ctc" / "train" / "model" / "encoder")
    shutil.copytree(checkpoint, tmp_path / "sensors" / "model_simclr" / "seed1-fold0" / "encoder")
    for name in ("ctc", "ctc/train/model", "sensors"):
        assert torch.equal(audiossl.load(tmp_path / name).embed(signal).frames, expected)
    untrained = shutil.copytree(checkpoint, tmp_path / "sensors" / "model_random" / "seed1-fold0" / "encoder")
    (untrained / "model.safetensors").write_bytes(b"never read: the trained one is meant")
    assert torch.equal(audiossl.load(tmp_path / "sensors").embed(signal).frames, expected)
    shutil.copytree(checkpoint, tmp_path / "sensors" / "model_simclr" / "seed1-fold1" / "encoder")
    with pytest.raises(ConfigError, match=r"holds 2 encoders, name one of them: .*seed1-fold0/encoder, .*seed1-fold1/encoder"):
        audiossl.load(tmp_path / "sensors")


def test_padding_reaches_the_model(checkpoint):
    signals = [torch.randn(8000), torch.randn(4000)]
    for padding in ("invariant", "reference"):
        embedder = audiossl.load(checkpoint, padding=padding)
        alone = embedder.embed(signals[1]).frames
        difference = (embedder.embed(signals)[1].frames - alone).abs().max()
        assert bool(difference < 1e-5) == (padding == "invariant")


@pytest.mark.parametrize("name", ["nope", "", "s3prl:hubert", "hf:", "hf:a/b:c", "hf:a/b:-1", "a/b/c"])
def test_unknown_names(name):
    with pytest.raises(ConfigError, match="hf:NAME"):
        audiossl.load(name)


def test_folders_that_hold_no_model(tmp_path, checkpoint):
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        audiossl.load(tmp_path)
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    with pytest.raises(StoreError, match=r"no model\.safetensors"):
        audiossl.load(tmp_path)


def test_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"audiossl\[hf\]\""):
        audiossl.load("hf:microsoft/wavlm-base")


def python(code: str) -> str:
    """Run code in a fresh interpreter where warnings are errors, and return what it prints."""
    command = [sys.executable, "-W", "error::ImportWarning", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_import_is_cheap():
    """It takes under a second and brings nothing that is heavy or optional."""
    code = """
import sys, time
before, begin = set(sys.modules), time.process_time()
import audiossl
print(time.process_time() - begin < 1, *sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""
    fast, *modules = python(code).split()
    assert fast == "True" and "audiossl" in modules
    heavy = {
        "torch",
        "lhotse",
        "numpy",
        "sklearn",
        "matplotlib",
        "transformers",
        "pyarrow",
        "av",
        "soundfile",
        "jaxtyping",
        "rich",
    }
    assert not heavy & set(modules)


def test_the_module_never_hides_the_function():
    code = """
import importlib, sys
import audiossl.load
from audiossl.load import load
from audiossl import load as same
print(load is same is audiossl.load)
for _ in range(2):
    print(audiossl.load("logmel").name, load("logmel").name, same("logmel").name)
    del sys.modules["audiossl.load"]
    load = same = importlib.import_module("audiossl.load").load
"""
    assert python(code) == "True\nlogmel logmel logmel\nlogmel logmel logmel"


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="audiossl attribute nope"):
        audiossl.nope  # noqa: B018
    assert "load" in audiossl.__all__ and audiossl.__version__


def test_paths_may_be_text(checkpoint, tmp_path, monkeypatch):
    """As in the README's lines."""
    from audiossl.embedding import EmbeddingStore, embed_paths
    from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus

    monkeypatch.chdir(tmp_path)
    soundfile.write("speech.wav", np.zeros(4000), 16000)
    hub.save(hub.load(checkpoint), "my-model")
    assert audiossl.load("my-model").dim == 16
    build_corpus([Item("a", Path("speech.wav"))], "corpus", progress=False)
    assert [item.id for item in Corpus.open("corpus")] == ["a"]
    embed_paths(audiossl.load("logmel"), ["speech.wav"], "embeddings", progress=False)
    assert len(EmbeddingStore.open("embeddings")) == 1


def test_a_kit_that_lacks_what_only_commands_need_loads_and_embeds():
    """The environments of s3prl and heareval hold no rich, no lhotse and no pyarrow."""
    text = (
        "import sys; sys.modules |= dict.fromkeys(['rich', 'lhotse', 'pyarrow', 'matplotlib', 'sklearn', 'huggingface_hub']);"
        "import audiossl, numpy; print(audiossl.load('logmel').embed(numpy.zeros((2, 16000), 'float32')).frames.shape)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stdout == "torch.Size([100, 80])\n", done.stderr
