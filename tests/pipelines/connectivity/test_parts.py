"""Parts of runs that keep enough volumes: one rule for every use; runs without any are named, and change nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from bold_designs import designed, represent_all
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from audiossl.errors import DataError
from audiossl.evaluation.fmri.phenotypes import PhenotypeConfig
from audiossl.files import read_json, read_jsonl
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.pipelines.connectivity.batches import RunCrops
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel, PhenotypeTask, PretrainConfig
from audiossl.pipelines.connectivity.data import Runs, Stretch
from audiossl.pipelines.connectivity.parts import (
    fingerprint_parts,
    segments,
    training_parts,
    training_segments,
    usable_starts,
    whole_runs,
)
from audiossl.pipelines.connectivity.rows import design_of, make_rows
from audiossl.pipelines.connectivity.saliency import region_saliency
from audiossl.pipelines.connectivity.scores import EvaluateConfig, evaluate_models
from audiossl.pipelines.connectivity.times import warn_of_other_times
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.recording_set import write_recordings

REGIONS = [f"r{i}" for i in range(5)]
Censored = dict[tuple[int, int], slice]


def runs_of(
    folder: Path, censored: Censored | None = None, people: int = 5, volumes: int = 120, times: tuple[float, ...] = (2.0,)
) -> Runs:
    """Two sessions of everybody; by person and session, the volumes that are censored."""

    def made():
        for person in range(people):
            for session in range(2):
                series = np.random.default_rng([person, session]).standard_normal((5, volumes))
                kept = np.ones(volumes, bool)
                kept[(censored or {}).get((person, session), slice(0))] = False
                name, about = f"p{person}_{session}", {"session": str(session), "age": 20.5 + person}
                yield bold_run(name, f"p{person}", series, times[person % len(times)], REGIONS, kept, about)

    write_recordings(made(), folder / "set", one_rate=False)
    return Runs.open(folder / "set")


def recipe(
    part: Literal["first_half", "first_session", "all"] = "first_half", kind: str = "raw_fc", **more
) -> ConnectivityRecipe:
    encoder = ConnectivityConfig(window=20, stride=10, dim=8, num_layers=1)
    config = ConnectivityRecipe("toy", {"m": GraphModel(kind)}, encoder=encoder, pretrain=PretrainConfig(part, crop=60), **more)
    config.fingerprint.volumes, config.fingerprint.draws = 30, 8
    return config


@given(
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 3)), max_size=2),
)
@settings(deadline=None)
def test_usable_segments_are_those_of_the_definition(kept, length, windows):
    def is_usable(start: int) -> bool:
        segment = kept[start : start + length]
        holds = True
        for window, stride, fewest in (one for one in windows if one[0] <= length):
            places = range(0, length - window + 1, stride)
            holds &= sum(2 * sum(segment[at : at + window]) >= window for at in places) >= min(fewest, len(places))
        return 2 * sum(segment) >= length and holds

    expected = [start for start in range(len(kept) - length + 1) if is_usable(start)]
    assert usable_starts(torch.tensor(kept), length, tuple(windows)) == expected


@pytest.mark.parametrize(
    ("part", "censored"),
    [
        ("first_session", {(3, 1): slice(10, 110)}),  # two ends of the session that is to be identified
        ("first_session", {(3, 1): slice(2, 118)}),
        ("first_half", {(3, 0): slice(70, 120), (3, 1): slice(70, 120)}),
    ],
)
def test_a_run_without_a_segment_is_named_and_the_others_stay_as_they_are(tmp_path, part, censored):
    """xcp_d 1047: one run of 48 ended the job, and none was named."""
    config, runs = recipe(part), runs_of(tmp_path / "bad", censored)
    make_rows(config)["m"].check(designed(runs, config))
    gallery, probes, left_out = fingerprint_parts(designed(runs, config))
    assert [runs.recordings[one.stretch.run].subject for one in gallery] == ["p0", "p1", "p2", "p4"]
    assert "p3" in left_out[-1].id and f"{left_out[-1].id}, volumes" in left_out[-1].reason and "are kept" in left_out[-1].reason
    whole = runs_of(tmp_path / "whole")
    others = fingerprint_parts(designed(whole, config))
    assert [one.stretch for one in probes] == [one.stretch for one in others[1] if one.stretch.run // 2 != 3]
    drawn = next(segments(designed(runs, config)))
    assert drawn[0].shape == (4, 5, 30) and not drawn[0].isnan().all(1).any()


def test_a_session_that_is_missing_changes_nobody_elses_task(tmp_path):
    """A run that was refused left its person with one session, and everybody with halves, which pre-training had seen."""
    runs, config = runs_of(tmp_path), recipe("first_session")
    fewer = runs.at([place for place in range(10) if place != 3])  # without the second session of p1
    gallery, probes, left_out = fingerprint_parts(designed(fewer, config))
    assert [fewer.recordings[one.stretch.run].id for one in probes] == ["p0_1", "p2_1", "p3_1", "p4_1"]
    assert [one.id for one in left_out] == ["p1_0"] and "p1 has no other session, and most people have two" in left_out[0].reason
    assert not designed(fewer, config).is_transductive and len(designed(fewer, config).fingerprint[0]) == 4
    make_rows(config)["m"].check(designed(fewer, config))
    singles = runs.at([0, 2, 4, 6, 7, 8, 9])  # half of the people or more have one: then it is halves of everybody's
    gallery, probes, _ = fingerprint_parts(designed(singles, config))
    assert [(one.stretch.first, one.stretch.last) for one in gallery + probes] == [(0, 60)] * 5 + [(60, 120)] * 5


def test_another_run_of_the_session_stands_in_for_one_that_cannot_be_used(tmp_path):
    runs = runs_of(tmp_path, {(2, 0): slice(0, 59)})
    gallery, probes, left_out = fingerprint_parts(designed(runs, recipe()))
    assert [one.stretch for one in gallery][2:4] == [Stretch(5, 0, 60), Stretch(6, 0, 60)]
    assert probes[2].stretch == Stretch(5, 60, 120) and [one.id for one in left_out] == ["p2_0"]


def test_a_segment_of_few_volumes_does_not_move_the_deviation_of_everybody(tmp_path):
    """Two volumes correlate by 1 or -1; those of one run changed the rows `_standardised` of all."""
    config = recipe(phenotypes=[])
    found = []
    for name, censored in (("bad", {(3, 0): slice(16, 58)}), ("whole", {})):
        runs_of(tmp_path / name, censored)
        represent_all(tmp_path / name / "out", tmp_path / name, config)
        vectors = load_file(tmp_path / name / "out/seed1/vectors.safetensors")
        plain, standard = (vectors[f"segments/{variant}"][:, :, 0] for variant in ("", "standardised"))
        found.append(float(((plain[0, 0] - plain[0, 1]) / (standard[0, 0] - standard[0, 1])).abs().median()))
    assert found[0] == pytest.approx(found[1], rel=0.15)
    assert not (tmp_path / "bad/out/rejected.jsonl").exists()  # the run has another segment, of 16 volumes


def test_segments_to_standardise_by_are_all_where_nothing_is_censored(tmp_path):
    runs, config = runs_of(tmp_path), recipe("all")
    found, left_out = training_segments(designed(runs, config))
    expected = [series.unfold(1, 30, 15).movedim(1, 0) for series in runs.series]
    assert not left_out and all(torch.equal(mine, plain) for mine, plain in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", ["random", "supervised_gin", "graph_infomax", "connectivity_mae"])
def test_a_run_without_a_crop_is_left_out_of_training(tmp_path, kind, capsys):
    """A crop in a gap had no window: the encoder ended the job at some step, without a name."""
    config = recipe("first_session", kind, networks=False)
    config.training = replace(
        config.training, max_steps=3, warmup_steps=1, validate_every=0, tensorboard=False, schedule="constant"
    )
    runs = runs_of(tmp_path, {(1, 0): slice(5, 115), (2, 0): slice(30, 90)})
    parts, left_out = make_rows(config)["m"].parts(designed(runs, config))
    assert [part.stretch.run for part in parts] == [0, 4, 6, 8] and [one.id for one in left_out] == ["p1_0"]
    crop = 30 if kind == "supervised_gin" else 60  # people are named from half a crop
    crops = RunCrops(parts, crop, 4, 0.5, seed=1)
    encoder = ConnectivityEncoder(REGIONS, 2.0, config.encoder).eval()
    for epoch in range(20):
        for batch in crops(epoch):
            encoder(batch.signal if hasattr(batch, "signal") else batch.batch.signal, torch.full((4,), crop))
    represent_all(tmp_path / "out", tmp_path, config)
    assert {row["id"] for row in read_jsonl(tmp_path / "out/rejected.jsonl")} == {"p1_0"}
    assert [row["reason"] for row in read_jsonl(tmp_path / "out/rejected.jsonl") if "a crop" in row["reason"]]
    assert "1 of 10 runs are not used for everything" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "options", "needed"), [("graph_infomax", {"summary_gap": 2}, 3), ("connectivity_mae", {}, 1)])
def test_crops_hold_as_many_windows_as_an_objective_needs(tmp_path, kind, options, needed):
    """Infomax ended the job at a crop of fewer windows than its gap."""
    config = recipe("all", kind, networks=False)
    config.models["m"] = GraphModel(kind, options)
    runs = runs_of(tmp_path, {(0, 0): slice(0, 50), (2, 1): slice(40, 85)})
    parts, _ = make_rows(config)["m"].parts(designed(runs, config))
    for part in parts:
        kept = ~part.series.isnan().all(0)
        for start in part.starts:
            windows = kept[start : start + 60].unfold(0, 20, 10)
            assert int((2 * windows.sum(1) >= 20).sum()) >= needed
    assert any(len(part.starts) < 61 for part in parts)


def test_whole_runs_have_a_window_for_every_encoder_of_the_recipe(tmp_path):
    runs = runs_of(tmp_path, {(1, 1): slice(9, 111), (4, 0): slice(20, 100)})
    config = recipe("first_half", "random", phenotypes=[PhenotypeTask("age")])
    found, left_out = whole_runs(designed(runs, config))
    assert [one.id for one in left_out] == ["p1_1"] and len(found.recordings) == 9
    config.models["wide"] = GraphModel("random", encoder={"window": 60, "stride": 1})
    assert design_of(config, make_rows(config)).windows == ((20, 10, 1), (60, 1, 1))
    assert [one.id for one in whole_runs(designed(runs, config))[1]] == ["p1_1", "p4_0"]
    assert whole_runs(designed(runs, recipe()))[0].recordings == runs.recordings  # nothing is read from whole runs
    encoder = ConnectivityEncoder(REGIONS, 2.0, config.encoder).eval()
    ConnectivityEncoder.save(encoder, tmp_path / "encoder")
    shown = region_saliency(encoder, runs.series)
    assert np.allclose(shown[0], region_saliency(encoder, found.series)[0]) and shown[0].sum() == pytest.approx(1)
    config.models = {"saved": GraphModel("encoder", {"folder": str(tmp_path / "encoder")}, {"window": 60})}
    assert design_of(config, make_rows(config)).windows == ((20, 10, 1),)


def test_a_region_that_is_constant_in_a_part_is_named(tmp_path):
    def made():
        for person in range(4):
            series = np.random.default_rng(person).standard_normal((5, 120))
            series[2, :60] = 3.0 if person == 1 else series[2, :60]
            yield bold_run(f"p{person}", f"p{person}", series, 2.0, REGIONS)

    write_recordings(made(), tmp_path / "set")
    gallery, _, left_out = fingerprint_parts(designed(Runs.open(tmp_path / "set"), recipe()))
    assert len(gallery) == 3 and left_out[0].id == "p1" and "such as r2" in left_out[0].reason


def test_where_nobody_is_left_the_reason_is_that_of_the_first(tmp_path):
    runs, config = runs_of(tmp_path, {(person, 0): slice(5, 115) for person in range(5)}), recipe("first_session")
    with pytest.raises(DataError, match=r"two people or more, and 0 can be used\. p0_0, volumes 0 to 120: expected 30 volumes"):
        make_rows(config)["m"].check(designed(runs, config))
    with pytest.raises(DataError, match=r"none of 5 runs can be used for a crop for pre-training .*\. p0_0, volumes 0 to 120"):
        training_parts(designed(runs, config), 60, ())


class Counted(list):
    """Counts how often its items are gone through."""

    seen = 0

    def __iter__(self):
        for item in super().__iter__():
            type(self).seen += 1
            yield item


@pytest.mark.parametrize("part", ["first_half", "first_session", "all"])
def test_transductive_is_told_in_one_pass_over_a_cohort(tmp_path, part, monkeypatch):
    """It was cubic in people: 1,200 with four runs took minutes a call, and it is called for every model."""
    few = runs_of(tmp_path, people=2)
    one = few.recordings[0]
    many = [
        SensorRecording(f"p{i}_{k}", f"p{i}", 0.5, one.channels, one.units, one.values, custom={"session": str(k // 2)})
        for i in range(1200)
        for k in range(4)
    ]
    monkeypatch.setattr(Counted, "seen", 0)
    met = []
    monkeypatch.setattr(Stretch, "meets", lambda self, other: met.append(1) or meets(self, other))
    runs = Runs(few.source, list(range(4800)), Counted(many), [], few.regions, [])
    assert designed(runs, recipe(part)).is_transductive == (part == "all")
    assert Counted.seen <= 4 * 4800 and len(met) <= 4800
    assert len(designed(runs, recipe(part)).fingerprint[1]) == 1200 and len(designed(runs, recipe(part)).training) >= 2400
    assert Counted.seen <= 4 * 4800  # sessions are found once


meets = Stretch.meets


def test_repetition_times_are_those_of_runs(tmp_path, capsys):
    """neuroCombat 22: half of the runs at 1.5 s and half at 3 s were 2 s a volume, which none had, and nothing was said."""
    mixed, same = runs_of(tmp_path / "mixed", times=(3.0, 1.5)), runs_of(tmp_path / "same", times=(2.0, 2.001))
    assert mixed.repetition_times == {1.5: 4, 3.0: 6} and mixed.tr == 3.0
    assert same.repetition_times == {2.0: 10} and same.tr == 2.0
    make_rows(recipe(kind="random"))["m"].warn_of_times(designed(same, recipe()))
    encoder = ConnectivityEncoder(REGIONS, 2.01, recipe().encoder)
    warn_of_other_times(same, encoder, "runs/x")
    assert capsys.readouterr().err == ""
    make_rows(recipe(kind="random"))["m"].warn_of_times(designed(mixed, recipe()))
    warn_of_other_times(mixed, encoder, "runs/[x]")
    first, second = capsys.readouterr().err.strip().splitlines()
    assert "1.5 s (4 runs) and 3 s (6 runs): windows (encoder.window) of 20 volumes are 30 s and 60 s; segments" in first
    assert second == (
        "runs/[x] was trained at 2.01 s a volume, these runs have 1.5 s (4 runs) and 3 s (6 runs): "
        "its windows of 20 volumes were 40 s long and are 30 s and 60 s here"
    )


def test_one_run_of_another_time_is_enough_for_a_word(tmp_path, capsys):
    encoder = ConnectivityEncoder(REGIONS, 2.0, recipe().encoder)
    warn_of_other_times(runs_of(tmp_path, times=(2.0, 2.0, 2.0, 2.0, 2.5)), encoder, "x")
    assert "2 s (8 runs) and 2.5 s (2 runs)" in capsys.readouterr().err


def test_people_who_are_seen_are_others_than_those_of_the_tasks(tmp_path):
    """Segments were drawn from runs without the people whom `pretrain.subjects` names, which then were said to be unknown."""
    config = recipe("all", phenotypes=[PhenotypeTask("age", options=PhenotypeConfig(folds=3))])
    config.pretrain.subjects = ["p0", "p1"]
    runs_of(tmp_path, {(0, 1): slice(10, 110)})
    represent_all(tmp_path / "out", tmp_path, config)
    vectors = load_file(tmp_path / "out/seed1/vectors.safetensors")
    assert vectors["segments/"].shape == (2, 8, 3, 10) and vectors["runs/"].shape == (6, 10)


def test_people_who_are_left_out_of_a_fingerprint_are_not_scored_by_name(tmp_path):
    """The answers were laid beside the names of everybody: the run ended after its training."""
    config = recipe("first_session", "raw_fc", networks=False)
    runs_of(tmp_path, {(1, 1): slice(5, 115)})
    represent_all(tmp_path / "out", tmp_path, config)
    (tmp_path / "scores").mkdir()
    rows = make_rows(config)
    scored = EvaluateConfig(config.dataset, rows, config.seeds, design_of(config, rows), config.phenotypes)
    evaluate_models(tmp_path / "scores", {"recordings": tmp_path, "model_m": tmp_path / "out"}, scored)
    rows = read_json(tmp_path / "scores/results.json")
    assert {row["n"] for row in rows if row["metric"] == "accuracy"} == {4}
    named = {name for row in read_json(tmp_path / "scores/group_scores.json") for name in row["scores"]}
    assert named == {"p0", "p2", "p3", "p4"}
