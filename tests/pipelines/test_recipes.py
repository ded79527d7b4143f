"""Every recipe file is a valid config with a buildable student, and prepare scripts read the layout that they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audiossl.errors import ConfigError, DataError
from audiossl.files import read_jsonl
from audiossl.models.zipformer import Zipformer
from audiossl.pipelines.prepare_script import load_script
from audiossl.pipelines.sides import divide
from audiossl.pipelines.spear import stages as spear
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.recipe import read_recipe
from audiossl.signals.corpora.corpus import Corpus

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
# Recipes for recordings of one's own have no script; tests/pipelines/own runs them.
WITH_SCRIPT = [path for path in sorted(RECIPES.glob("*/*.yaml")) if path.parent.name != "own"]
FILES = [path for path in WITH_SCRIPT if yaml.safe_load(path.read_text())["method"] == "spear"]
# Parameters of the published models in millions, which count an unused vector of the width for every layer.
PUBLISHED = {"base": 93.29, "large": 326.95, "xlarge": 596.97}
# As the paper and its scripts have them: seconds a device, steps, hours of Eden, codebooks of each stream.
SPEAR = {
    "base_speech": (600, 400_000, 30_000, [16]),
    "large_speech": (400, 500_000, 75_000, [16]),
    "base_dual": (400, 400_000, 25_000, [16, 8]),
    "large_dual": (300, 500_000, 75_000, [16, 8]),
    "xlarge_dual": (300, 500_000, 75_000, [16, 8]),
    "audio": (600, 250_000, 20_000, [8]),
}


def read(path: Path, *overrides: str) -> SpearRecipe:
    return read_recipe(path, overrides, {"spear": SpearRecipe})


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipe_files_are_whole(path, tmp_path):
    config = read(path)
    names = [stage.name for stage in spear.stages(config, path.parent)]
    assert names[-1] == ("report" if config.evaluation.tasks else "pretrain") and "pretrain" in names
    with torch.device("meta"):
        student = Zipformer.from_preset(config.student.preset, **config.student.overrides)
    if config.student.preset in PUBLISHED:
        unused = student.num_layers * student.dim
        downsampling = 2 * (config.student.overrides.get("output_downsampling_factor") == 2)
        size = sum(parameter.numel() for parameter in student.parameters()) + unused - downsampling
        assert round(size / 1e6, 2) == PUBLISHED[config.student.preset]
    assert f"audiossl run recipes/{path.parent.name}/{path.name}" in path.read_text()


@pytest.mark.parametrize("name", SPEAR)
def test_numbers_of_the_published_models(name):
    config = read(RECIPES / "spear" / f"{name}.yaml")
    training, streams = config.training, list(config.token_streams.values())
    numbers = (training.batch_seconds, training.max_steps, training.eden_hours, [s.quantiser.num_codebooks for s in streams])
    assert numbers == SPEAR[name]
    teachers = {"transformers": ("microsoft/wavlm-large", 21, True), "dasheng": ("dasheng_12B", 40, False)}
    for stream in streams:
        teacher = stream.teacher
        assert (teacher.name, teacher.layer, teacher.normalise) == teachers[teacher.kind]
        assert stream.quantiser.codebook_size == 256 and stream.weight == (0.1 if stream is not streams[0] else 1.0)
    is_speech = name.endswith("speech")
    masks = (config.objective.time_mask_probability, config.objective.channel_mask_length)
    assert masks == ((0.5, 15) if is_speech else (0.65, 20)) and config.objective.alpha == 0.5
    scripts = {"base_dual": "prepare", "large_dual": "prepare", "xlarge_dual": "prepare_xlarge", "audio": "prepare_audio"}
    assert config.prepare == f"{scripts.get(name, 'prepare_speech')}.py"
    sources = load_script(RECIPES / "spear" / config.prepare).module.SOURCES
    domains = set(config.streams) or {"audio" if name == "audio" else "speech"}
    assert set(sources.values()) == domains and set(config.data.repeats) <= {*sources, *domains}


@pytest.fixture
def librispeech(tmp_path) -> Path:
    """Three utterances in each of four parts."""
    for number, part in enumerate(["train-clean-100", "train-other-500", "dev-clean", "test-other"]):
        folder = tmp_path / "LibriSpeech" / part / f"{number}1" / "22"
        folder.mkdir(parents=True)
        lines = []
        for utterance in range(3):
            name = f"{number}1-22-{utterance:04}"
            soundfile.write(folder / f"{name}.flac", np.zeros(8000), 16000)
            lines.append(f"{name} GO DO YOU HEAR\n")
        (folder / f"{number}1-22.trans.txt").write_text("".join(lines))
    return tmp_path


def test_librispeech_is_read_from_its_folders(librispeech, tmp_path, monkeypatch):
    prepare = load_script(RECIPES / "librispeech" / "prepare.py").module
    prepare.prepare_corpus(tmp_path / "corpus", librispeech, 2)
    corpus = Corpus.open(tmp_path / "corpus")
    first = corpus.items[0]
    assert len(corpus) == 8 and (first.id, first.speaker, first.text) == ("01-22-0000", "01", "GO DO YOU HEAR")
    assert first.custom == {"part": "train-clean-100", "side": "train", "chapter": "22"}
    config = read(RECIPES / "librispeech" / "spear.yaml")
    sides = divide(corpus.items, config.split, config.seed)
    assert {side: len(ids) for side, ids in sides.items()} == {"train": 4, "valid": 2, "test": 2}

    def align(items):
        return {id_: [("SIL", 0.0, 0.5, "", 0)] for id_, *_ in items[1:]}, {items[0][0]: "unknown word"}

    monkeypatch.setattr(prepare, "align_corpus_phones", align)
    prepare.prepare_labels(tmp_path, corpus, librispeech, 2)
    rows = read_jsonl(tmp_path / "frame_phones.jsonl")
    parts = {item.id: item.custom["part"] for item in corpus}
    assert [parts[row["id"]] for row in rows] == ["train-clean-100", "dev-clean", "dev-clean"]
    assert len(read_jsonl(tmp_path / "rejected.jsonl")) == 1

    with pytest.raises(ConfigError, match="openslr"):
        prepare.prepare_corpus(tmp_path / "none", tmp_path / "corpus", None)
    (librispeech / "LibriSpeech/dev-clean/21/22/21-22.trans.txt").write_text("21-22-0000 GO\n")
    with pytest.raises(DataError, match=r"21-22-0001.* has no line"):
        prepare.prepare_corpus(tmp_path / "none", librispeech, None)


def test_spear_joins_its_sources(tmp_path, monkeypatch):
    from lhotse import CutSet, Recording

    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 17_600), 16_000)
    cut = Recording.from_file(tmp_path / "a.wav").to_cut()
    prepare = load_script(RECIPES / "spear" / "prepare.py").module
    for name in prepare.SOURCES:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        if name == "audioset":
            CutSet.from_cuts([cut, cut.truncate(duration=0.5).with_id("short")]).to_shar(folder, fields={"recording": "flac"})
        else:
            CutSet.from_cuts([cut]).to_file(folder / "cuts.jsonl.gz")
    prepare.prepare_corpus(tmp_path / "corpus", tmp_path / "data", None)
    corpus = Corpus.open(tmp_path / "corpus")
    assert {item.custom["source"]: item.custom["domain"] for item in corpus} == prepare.SOURCES and len(corpus) == 8
    assert [row["reason"] for row in read_jsonl(tmp_path / "corpus" / "rejected.jsonl")] == ["too_short"]
    assert all(len(corpus.read(item)) == 17_600 for item in corpus)
