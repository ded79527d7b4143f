"""Images through nilearn's masker: series of labels, a label that is not covered, confounds of real fMRIPrep tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.signals.bold.images import read_fmriprep, read_image
from audiossl.signals.bold.run import covered
from audiossl.signals.sensors.recording import Rejected

nibabel = pytest.importorskip("nibabel")
nilearn = pytest.importorskip("nilearn")


def write_images(folder: Path, volumes: int = 30) -> tuple[Path, Path, np.ndarray]:
    labels = np.zeros((6, 6, 6), np.int16)
    labels[:3, 0], labels[3:, 1] = 1, 2
    data = 100 + 10 * np.random.default_rng(0).standard_normal((6, 6, 6, volumes)).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    nibabel.Nifti1Image(labels, affine).to_filename(folder / "atlas.nii.gz")
    nibabel.Nifti1Image(data, affine).to_filename(folder / "bold.nii.gz")
    return folder / "bold.nii.gz", folder / "atlas.nii.gz", data


def test_mean_series_of_labels(tmp_path):
    image, atlas, data = write_images(tmp_path)
    series, kept = read_image(image, atlas, ["one", "two", "three"])
    assert kept is None and series.shape == (3, 30)
    assert np.allclose(series[0], data[:3, 0].mean((0, 1)), atol=1e-3) and np.isnan(series[2]).all()
    mask = np.delete(np.arange(30), [4, 9])
    censored, kept = read_image(image, atlas, ["one", "two"], sample_mask=mask)
    assert np.flatnonzero(~kept).tolist() == [4, 9] and np.isnan(censored[:, 4]).all()
    with pytest.raises(DataError, match="labels up to 2, but 1 regions"):
        read_image(image, atlas, ["one"])
    image.write_bytes(b"x")
    with pytest.raises(DataError, match=r"bold\.nii\.gz"):
        read_image(image, atlas, ["one", "two"])


def test_fmriprep_derivatives_with_a_real_confound_table(tmp_path):
    """nilearn ships confounds of a real run of 30 volumes."""
    source = Path(nilearn.__file__).parent / "interfaces/fmriprep/data"
    table = source / "test-v21_desc-confounds_timeseries.tsv"
    if not table.is_file():
        pytest.skip("this nilearn does not ship its fMRIPrep tables")
    folder = tmp_path / "sub-01" / "func"
    image, atlas, _ = write_images(folder)
    stem = "sub-01_task-rest"
    bold = folder / f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    image.rename(bold)
    shutil.copy(table, folder / f"{stem}_desc-confounds_timeseries.tsv")
    shutil.copy(table.with_suffix(".json"), folder / f"{stem}_desc-confounds_timeseries.json")
    bold.with_name(bold.name.replace(".nii.gz", ".json")).write_text(json.dumps({"RepetitionTime": 2.0}))
    (found,) = read_fmriprep(tmp_path, atlas, ["one", "two"], motion="basic", wm_csf="basic", global_signal=None)
    assert found.subject == "01" and found.rate == 0.5 and covered(found).all()
    options = {"motion": "basic", "wm_csf": "basic", "global_signal": None}
    for space in ("space-T1w_", "space-MNI152NLin6Asym_res-2_", ""):  # fMRIPrep writes a scan once for each space
        other = folder / f"{stem}_{space}desc-preproc_bold.nii.gz"
        shutil.copy(bold, other)
        other.with_name(other.name.replace(".nii.gz", ".json")).write_text(json.dumps({"RepetitionTime": 2.0}))
        if space == "space-T1w_":
            assert [one.id for one in read_fmriprep(tmp_path, atlas, ["one", "two"], **options)] == [found.id]
    with pytest.raises(DataError, match=r'space="MNI152NLin6Asym", res="2" \(1 files\).*Say by space='):
        list(read_fmriprep(tmp_path, atlas, ["one", "two"], **options))
    (other,) = read_fmriprep(tmp_path, atlas, ["one", "two"], space="MNI152NLin6Asym", tr=3.0, **options)
    assert other.id == f"{stem}_space-MNI152NLin6Asym_res-2" and other.rate == 1 / 3
    (native,) = read_fmriprep(tmp_path, atlas, ["one", "two"], space="T1w", **options)
    assert native.id == f"{stem}_space-T1w"
    for path in (*folder.glob("*T1w*"), *folder.glob("*6Asym*"), *folder.glob(f"{stem}_desc-preproc*")):
        path.unlink()
    (folder / f"{stem}_desc-confounds_timeseries.tsv").unlink()
    (missing,) = read_fmriprep(tmp_path, atlas, ["one", "two"])
    assert isinstance(missing, Rejected) and "desc-preproc_bold.nii.gz" in missing.reason
    with pytest.raises(DataError, match="task-nothing"):
        list(read_fmriprep(tmp_path, atlas, ["one"], task="nothing"))
