"""XCP-D derivatives as XCP-D writes them: gaps come back, side files are those of the scan, one space and no joined runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.signals.bold.run import covered, kept_volumes
from audiossl.signals.bold.xcpd import read_xcpd
from audiossl.signals.sensors.recording import Rejected

REGIONS = ["LH_Vis_1", "LH_Vis_2", "RH_Vis_1", "Left-Thalamus"]
PER_CENT = "Node\tcoverage\n" + "".join(f"{name}\t{share}\n" for name, share in zip(REGIONS, (100, 40, 90, 0), strict=True))
COVERAGE = ["1.0", "0.4", "0.9", "n/a"]


def values(seed, volumes=60):
    return np.random.default_rng(seed).standard_normal((4, volumes))


def write_scan(root, person, task="rest", run="", space="MNI152NLin2009cAsym", seed=0, censored=(), volumes=60, tr=0.8):
    """What XCP-D 0.10 writes of a scan (xcp_d/interfaces/connectivity.py, xcp_d/workflows/bold/outputs.py), without images."""
    folder = root / f"sub-{person}" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    scan = f"sub-{person}_task-{task}{run}"
    series = f"{scan}_space-{space}_seg-Tiny"
    kept = [volume for volume in range(volumes) if volume not in censored]
    lines = ["\t".join(REGIONS)]
    for volume in values(seed, volumes)[:, kept].T:  # XCP-D leaves out what is covered too little itself, too
        lines.append("\t".join("n/a" if share == "n/a" else str(value) for value, share in zip(volume, COVERAGE, strict=True)))
    (folder / f"{series}_stat-mean_timeseries.tsv").write_text("\n".join(lines) + "\n")
    about = {
        "SamplingFrequency": "TR",
        "Sources": [f"bids:xcp_d:sub-{person}/func/{scan}_space-{space}_desc-denoised_bold.nii.gz"],
    }
    (folder / f"{series}_stat-mean_timeseries.json").write_text(json.dumps(about))
    rows = [f"{name}\t{share}" for name, share in zip(REGIONS, COVERAGE, strict=True)]
    (folder / f"{series}_stat-coverage_bold.tsv").write_text("\n".join(["Node\tcoverage", *rows]) + "\n")
    (folder / f"{series}_stat-coverage_bold.json").write_text(json.dumps({"Sources": []}))
    flags = "\n".join(str(int(volume in censored)) for volume in range(volumes))
    (folder / f"{scan}_outliers.tsv").write_text(f"framewise_displacement\n{flags}\n")
    image = {"RepetitionTime": tr, "TaskName": task, "Sources": []}
    (folder / f"{scan}_space-{space}_res-2_desc-denoised_bold.json").write_text(json.dumps(image))
    return folder / f"{series}_stat-mean_timeseries.tsv"


def censored_of(run):
    return np.flatnonzero(~kept_volumes(run)).tolist()


def test_xcpd_series_get_their_gaps_back(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tgroup\nsub-01\t31\tx\nsub-02\tn/a\ty\n")
    write_scan(tmp_path, "01", censored=(5, 6, 30))
    series = write_scan(tmp_path, "02", seed=1, censored=(5, 6, 30))
    found = list(read_xcpd(tmp_path, "Tiny"))
    assert [one.subject for one in found] == ["01", "02"] and found[0].rate == 1.25
    first = found[0]
    assert first.values.shape == (4, 60) and censored_of(first) == [5, 6, 30]
    assert covered(first).tolist() == [True, False, True, False] and first.custom["age"] == 31.0
    assert np.allclose(first.values[0, 7], values(0)[0, 7], rtol=1e-6)
    with pytest.raises(DataError, match=r"task-rest.*Other"):
        list(read_xcpd(tmp_path, "Other"))
    series.write_text("\n".join(series.read_text().splitlines()[:-2]))
    last = list(read_xcpd(tmp_path, "Tiny"))[1]
    assert isinstance(last, Rejected) and "keeps 57" in last.reason
    series.write_text(series.read_text().replace("LH_Vis_1\tLH", "LH_Vis_9\tLH"))
    with pytest.raises(DataError, match="regions are not the"):
        list(read_xcpd(tmp_path, "Tiny"))


def test_coverage_of_either_format(tmp_path):
    path = write_scan(tmp_path, "01")
    coverage = path.with_name(path.name.replace("stat-mean_timeseries", "stat-coverage_bold"))
    coverage.write_text("Node\t0\n" + coverage.read_text().partition("\n")[2])  # older XCP-D gave the column no name
    assert covered(next(read_xcpd(tmp_path, "Tiny"))).tolist() == [True, False, True, False]
    coverage.write_text("\t".join(REGIONS) + "\n" + "\t".join(COVERAGE) + "\n")  # of CIFTI
    assert covered(next(read_xcpd(tmp_path, "Tiny"))).tolist() == [True, False, True, False]
    for wrong in ("Node\tcoverage\nLH_Vis_1\t1.0\n", "Node\tcoverage\nLH_Vis_1\tmuch\n", PER_CENT, "a\tb\n1\t2\n3\t4\n"):
        coverage.write_text(wrong)
        (rejected,) = read_xcpd(tmp_path, "Tiny")
        assert isinstance(rejected, Rejected) and coverage.name in rejected.reason


def test_the_repetition_time_is_that_of_the_denoised_image(tmp_path):
    path = write_scan(tmp_path, "01", tr=1.5)
    assert next(read_xcpd(tmp_path, "Tiny")).rate == 1 / 1.5
    next(path.parent.glob("*denoised*")).unlink()
    (rejected,) = read_xcpd(tmp_path, "Tiny")
    assert isinstance(rejected, Rejected)
    assert "stat-mean_timeseries.json, *_desc-denoised_bold.json of the same scan" in rejected.reason
    assert next(read_xcpd(tmp_path, "Tiny", tr=2.0)).rate == 0.5


def test_side_files_are_those_of_the_scan(tmp_path):
    """Names of other scans may begin alike: task-rest and task-restEyesClosed, run-1 and run-10."""
    write_scan(tmp_path, "01", censored=(5,))
    write_scan(tmp_path, "01", "restEyesClosed", censored=(20, 21), tr=3.0)
    (found,) = read_xcpd(tmp_path, "Tiny")
    assert censored_of(found) == [5] and found.rate == 1.25
    for number in (1, 10):
        write_scan(tmp_path, "02", run=f"_run-{number}", seed=number, censored=(number,), tr=float(number))
    (tmp_path / "sub-02/func/sub-02_task-rest_run-1_outliers.tsv").unlink()
    tenth, first = list(read_xcpd(tmp_path, "Tiny"))[1:]
    assert first.num_samples == 59 and censored_of(first) == [] and first.rate == 1.0
    assert censored_of(tenth) == [10] and tenth.rate == 0.1


def test_two_tables_of_outliers_are_not_guessed_between(tmp_path):
    path = write_scan(tmp_path, "01")
    outliers = path.parent / "sub-01_task-rest_outliers.tsv"
    outliers.with_name("sub-01_task-rest_desc-other_outliers.tsv").write_text(outliers.read_text())
    (rejected,) = read_xcpd(tmp_path, "Tiny")
    assert "expected one table of outliers, got sub-01_task-rest_desc-other" in rejected.reason
    outliers.with_name("sub-01_task-rest_desc-other_outliers.tsv").unlink()
    outliers.write_text("framewise_displacement\n" + "yes\n" * 60)
    (rejected,) = read_xcpd(tmp_path, "Tiny")
    assert "sub-01_task-rest_outliers.tsv: expected columns of 0 and 1" in rejected.reason


def test_a_scan_in_two_spaces_is_one_run(tmp_path):
    for person in ("01", "02"):
        write_scan(tmp_path, person)
    path = write_scan(tmp_path, "01", space="fsLR")
    listed = r'space="MNI152NLin2009cAsym", res="" \(2 files\); space="fsLR", res="" \(1 files\)\. Say by space='
    with pytest.raises(DataError, match=listed):
        list(read_xcpd(tmp_path, "Tiny"))
    found = list(read_xcpd(tmp_path, "Tiny", space="MNI152NLin2009cAsym"))
    assert [one.id.partition("_seg")[0] for one in found] == [f"sub-0{i}_task-rest_space-MNI152NLin2009cAsym" for i in (1, 2)]
    rejected, run = read_xcpd(tmp_path, "Tiny", space="fsLR")
    assert (
        isinstance(rejected, Rejected) and rejected.id == "sub-02_task-rest" and "sub-02_task-rest_space-MNI" in rejected.reason
    )
    assert run.id == path.name.partition("_stat")[0]
    with pytest.raises(DataError, match="Say by space="):
        list(read_xcpd(tmp_path, "Tiny", space="MNI"))


def test_runs_that_xcpd_joined_are_not_read_twice(tmp_path):
    for number in (1, 2):
        write_scan(tmp_path, "01", run=f"_run-{number}", seed=number)
    joined = write_scan(tmp_path, "01", volumes=120)
    write_scan(tmp_path, "02")
    found = list(read_xcpd(tmp_path, "Tiny"))
    (rejected,) = (one for one in found if isinstance(one, Rejected))
    assert len(found) == 4 and joined.name in rejected.reason and "joins runs" in rejected.reason


def test_volumes_that_any_column_flags_are_censored(tmp_path):
    """Further columns than framewise displacement; those of volumes drawn to bring runs to one length flag no motion."""
    for censored in ((), (5, 6)):  # interpolated, and censored by XCP-D, which left out what the first column flags
        path = write_scan(tmp_path, "01", censored=censored)
        outliers = path.parent / "sub-01_task-rest_outliers.tsv"
        rows = [f"{int(i in (5, 6))}\t{int(i in (6, 20))}\t{int(i % 2)}" for i in range(60)]
        outliers.write_text("\n".join(["framewise_displacement\tstd_dvars\texact_100", *rows]) + "\n")
        found = next(read_xcpd(tmp_path, "Tiny"))
        assert censored_of(found) == [5, 6, 20] and found.values.shape == (4, 60)
        assert np.allclose(found.values[0, 21], values(0)[0, 21], rtol=1e-6)
    for wrong in ("0.3", "n/a"):
        outliers.write_text("\n".join(["framewise_displacement\tstd_dvars", *["0\t1"] * 30, *[f"0\t{wrong}"] * 30]) + "\n")
        (rejected,) = read_xcpd(tmp_path, "Tiny")
        assert isinstance(rejected, Rejected) and "got others in std_dvars" in rejected.reason


def test_a_repetition_time_of_nothing_is_refused(tmp_path):
    path = write_scan(tmp_path, "01")
    for tr in (0, True):
        with pytest.raises(DataError, match="tr: expected a repetition time in seconds"):
            list(read_xcpd(tmp_path, "Tiny", tr=tr))
    image = next(path.parent.glob("*denoised*"))
    for wrong in ("true", "0", '"2.0"', "800"):
        image.write_text(f'{{"RepetitionTime": {wrong}}}')
        (rejected,) = read_xcpd(tmp_path, "Tiny")
        assert isinstance(rejected, Rejected) and f"{image}, RepetitionTime: expected a repetition time" in rejected.reason
