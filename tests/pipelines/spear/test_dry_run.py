"""Two steps on noise, and what they say about the true batch."""

from __future__ import annotations

import math

import pytest

from audiossl.errors import ConfigError
from audiossl.files import write_json
from audiossl.pipelines import catalogue
from audiossl.pipelines.spear.config import DataConfig, SpearRecipe, StreamConfig, StudentConfig
from audiossl.pipelines.spear.dry_run import GIB, dry_run, measure_activations, saved_bytes
from audiossl.pipelines.tokenise.corpus import QuantiserConfig
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.signals.mixing import MixingConfig
from audiossl.teachers.teacher import TeacherConfig
from audiossl.training.config import TrainingConfig

NARROW = {"encoder_dim": [64] * 5, "feedforward_dim": [96] * 5, "encoder_unmasked_dim": [32] * 5}


def recipe(**changes) -> SpearRecipe:
    values = {
        "dataset": "toy",
        "student": StudentConfig("tiny", NARROW, max_item_seconds=2.0),
        "training": TrainingConfig(batch_seconds=8.0, max_steps=100),
        "quantiser": QuantiserConfig(num_codebooks=2, codebook_size=16),
    }
    return SpearRecipe(**{**values, **changes})


def dual(**changes) -> SpearRecipe:
    streams = {
        "speech": StreamConfig(TeacherConfig("hf:x/y", 21), QuantiserConfig(num_codebooks=4)),
        "audio": StreamConfig(TeacherConfig("dasheng:dasheng_12B:40"), QuantiserConfig(num_codebooks=3), 0.1),
    }
    mixing = MixingConfig(probability=0.5, other_probability=0.5)
    return recipe(streams=streams, data=DataConfig({"audio": 2.0, "audioset": 2.0}, mixing), **changes)


def test_two_steps_of_a_dual_student_with_mixing(tmp_path, capsys):
    found = dry_run(dual(), tmp_path / "run")
    assert len(found.losses) == 2 and found.losses[1] < found.losses[0]
    assert found.seconds_here == 8.0 and found.steps_per_second > 0
    assert found.head_parameters == (4 + 3) * 256 * (64 + 1)
    assert found.state_bytes == 16 * (found.student_parameters + found.head_parameters)
    assert 0 < found.batch.padding < 0.5 and found.batch.per_epoch == 0
    assert found.batch.num_items * found.batch.seconds <= 8.0
    printed = capsys.readouterr().err
    assert "heads 0.12 M (speech 4 x 256, audio 3 x 256)" in printed and "steps of 8 s each second" in printed
    assert list(tmp_path.iterdir()) == []


def test_memory_of_long_items_is_foretold_from_short_ones():
    from audiossl.models.zipformer import Zipformer
    from audiossl.objectives.masked_tokens import MaskedTokens, TokenStream

    streams = {"a": TokenStream(50.0, 2)}
    objective = MaskedTokens(Zipformer.from_preset("tiny", **NARROW), streams).train()
    linear, quadratic = measure_activations(objective, streams, 40.0)
    assert linear > 0 and quadratic > 0
    measured = saved_bytes(objective, streams, 24.0)
    assert linear * 24 + quadratic * 24**2 == pytest.approx(measured, rel=0.05)
    assert quadratic * 24**2 > 0.1 * measured  # or the test would not see it


def test_a_student_that_does_not_fit_is_narrowed_and_says_so(tmp_path):
    config = recipe(student=StudentConfig("base", max_item_seconds=4.0), training=TrainingConfig(batch_seconds=40.0, max_steps=9))
    found = dry_run(config, tmp_path, memory_bound=int(1.1 * GIB))
    assert found.student_parameters == pytest.approx(93.28e6, rel=1e-3)
    assert found.head_parameters == 2 * 16 * (512 + 1)
    assert any("does not fit into 1.1 GiB" in remark for remark in found.remarks)
    assert any("not 40" in remark for remark in found.remarks) and found.seconds_here < 40


def test_the_corpus_of_the_run_is_planned_where_it_is(tmp_path, monkeypatch):
    seconds = [0.5, 1.0, 1.5, 2.0] * 5
    items = [CorpusItem(str(n), tmp_path / "x", 0.0, s, int(s * 16000), str(n)) for n, s in enumerate(seconds)]
    config = recipe()
    write_json(tmp_path / "corpus" / "stage.json", {})
    monkeypatch.setattr("audiossl.pipelines.spear.dry_run.open_split", lambda stage, side: Corpus(items, 16_000, None, stage))
    found = dry_run(config, tmp_path)
    assert found.batch.per_epoch >= sum(seconds) / 8
    assert not any("has not run" in remark for remark in found.remarks)


def test_missing_noise_is_told_before_the_run(tmp_path):
    mixing = MixingConfig(probability=0.5, noise_share=1.0)
    found = dry_run(recipe(data=DataConfig(mixing=mixing)), tmp_path)
    assert any("data.noise is not set" in remark for remark in found.remarks)
    found = dry_run(recipe(data=DataConfig(mixing=mixing, noise=tmp_path / "musan")), tmp_path)
    assert any("musan does not exist" in remark for remark in found.remarks)
    with pytest.raises(ConfigError):
        dry_run(recipe(student=StudentConfig("tiny", {"no_such_size": 1})), tmp_path)


def test_the_command_tries_out_what_it_would_run(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setitem(catalogue.DRY_RUNS, "spear", lambda *about: tried.append(about))
    (tmp_path / "prepare.py").write_text("def prepare_corpus(*_): ...\ndef prepare_labels(*_): ...\n")
    (tmp_path / "toy.yaml").write_text("method: spear\ndataset: toy\n")
    for last in (None, "tokens"):
        catalogue.run_pipeline(tmp_path / "toy.yaml", [f"output={tmp_path / 'out'}"], last=last, dry_run=True)
    assert [(type(config), output) for config, output in tried] == [(SpearRecipe, tmp_path / "out")]


def test_a_batch_that_the_longest_items_do_not_fit_into_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "toy.yaml").write_text("method: spear\ndataset: toy\ntraining: {batch_seconds: 5}\n")
    with pytest.raises(ConfigError, match=r"at most training\.batch_seconds=5, .* got 12\. Lower student\.max_item_seconds"):
        catalogue.run_pipeline(tmp_path / "toy.yaml", [], dry_run=True)
    for seconds in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match=r"student\.max_item_seconds should be above 0"):
            recipe(student=StudentConfig("tiny", NARROW, max_item_seconds=seconds))
    assert recipe(student=StudentConfig("tiny", NARROW, max_item_seconds=8.0)).student.max_item_seconds == 8.0
