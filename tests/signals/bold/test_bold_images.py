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
    with pytest.warns(UserWarning, match=r"bold\.nii\.gz: 1 of 3 regions have no voxel .*: three$"):
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


@pytest.mark.parametrize(
    "distort", [lambda x: x * 0.9999999, lambda x: x + 0.09 * (x > 0), lambda x: x * 1.0117, lambda x: x / (x > 0)]
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_labels_near_whole_numbers_are_those(tmp_path, distort):
    """petprep 152 and torchio 220: cut off, they gave regions the series of others; NaN is no region, as SPM writes it."""
    image, atlas, _ = write_images(tmp_path)
    expected, _ = read_image(image, atlas, ["one", "two"])
    labels = nibabel.load(atlas)
    changed = distort(np.asarray(labels.dataobj, np.float32)).astype(np.float32)
    nibabel.Nifti1Image(changed, labels.affine).to_filename(tmp_path / "other.nii.gz")
    found, _ = read_image(image, tmp_path / "other.nii.gz", ["one", "two"])
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 1.5], "1 labels that are no whole numbers, such as 1.5: was it resampled"),
        ([0, 1, np.inf], "no whole numbers, such as inf"),
        ([0, 1, -1], "labels below 0, such as -1"),
        ([0, 1, 3], "labels up to 3, but 2 regions"),
        ([0, 0.04, 0.04], "no label above 0"),
    ],
)
def test_other_labels_are_refused(tmp_path, values, message):
    image, atlas, _ = write_images(tmp_path)
    labels = nibabel.load(atlas)
    changed = np.array(values, np.float32)[np.asarray(labels.dataobj)]
    nibabel.Nifti1Image(changed, labels.affine).to_filename(atlas)
    with pytest.raises(DataError, match=rf"atlas\.nii\.gz has .*{message}"):
        read_image(image, atlas, ["one", "two"])


def test_sample_masks_are_numbers_of_volumes_or_truth_values(tmp_path):
    image, atlas, _ = write_images(tmp_path)
    kept = np.ones(30, bool)
    kept[[3, 29]] = False
    for mask in (kept, np.flatnonzero(kept), np.flatnonzero(kept).tolist()):
        assert np.array_equal(read_image(image, atlas, ["one", "two"], sample_mask=mask)[1], kept)
    for mask in (kept.astype(int), [-1, 2], [0, 30], [], kept[:-1], kept.astype(float)):
        with pytest.raises(DataError, match=r"bold\.nii\.gz: expected"):
            read_image(image, atlas, ["one", "two"], sample_mask=mask)


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


def test_voxels_that_are_no_numbers_belong_to_no_region(tmp_path):
    """Taken for zeros, they would pull the mean of their region down, and a volume of them would be a spike."""
    image, atlas, data = write_images(tmp_path)
    data[0, 0, 0] = np.nan
    data[4, 1, 2, 7] = np.inf
    nibabel.Nifti1Image(data, np.diag([3.0, 3.0, 3.0, 1.0])).to_filename(image)
    series, _ = read_image(image, atlas, ["one", "two"])
    for row, (place, line) in zip(series, (((slice(0, 3)), 0), ((slice(3, 6)), 1)), strict=True):
        of_region = data[place, line].reshape(-1, 30)
        assert np.allclose(row, of_region[np.isfinite(of_region).all(1)].mean(0), atol=1e-3)
    data[..., 5] = np.nan
    nibabel.Nifti1Image(data, np.diag([3.0, 3.0, 3.0, 1.0])).to_filename(image)
    with pytest.raises(DataError, match=r"bold\.nii\.gz: no voxel is a number in every volume"):
        read_image(image, atlas, ["one", "two"])
    censored, kept = read_image(image, atlas, ["one", "two"], sample_mask=np.delete(np.arange(30), 5))
    assert np.allclose(censored[:, kept], series[:, kept], atol=1e-3) and np.isnan(censored[:, 5]).all()


def test_images_of_other_dimensions_are_named(tmp_path):
    image, atlas, data = write_images(tmp_path)
    expected, _ = read_image(image, atlas, ["one", "two"])
    labels, affine = np.asarray(nibabel.load(atlas).dataobj), np.diag([3.0, 3.0, 3.0, 1.0])
    nibabel.Nifti1Image(labels[..., None], affine).to_filename(tmp_path / "one_volume.nii.gz")
    assert np.array_equal(read_image(image, tmp_path / "one_volume.nii.gz", ["one", "two"])[0], expected)
    maps = np.stack([labels == 1, labels == 2], -1).astype(np.float32)
    nibabel.Nifti1Image(maps, affine).to_filename(tmp_path / "maps.nii.gz")
    with pytest.raises(DataError, match=r"maps\.nii\.gz: expected one volume of labels, got .*\(6, 6, 6, 2\)"):
        read_image(image, tmp_path / "maps.nii.gz", ["one", "two"])
    nibabel.Nifti1Image(data[..., 0], affine).to_filename(tmp_path / "still.nii.gz")
    with pytest.raises(DataError, match=r"still\.nii\.gz: expected a run of volumes.*\(6, 6, 6\)"):
        read_image(tmp_path / "still.nii.gz", atlas, ["one", "two"])


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_an_image_that_is_cut_short_is_an_error_of_data(tmp_path, share):
    image, atlas, _ = write_images(tmp_path)
    whole = image.read_bytes()
    image.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"bold\.nii\.gz"):
        read_image(image, atlas, ["one", "two"])


def test_confounds_that_are_not_known_are_named(tmp_path):
    pandas = pytest.importorskip("pandas")
    image, atlas, _ = write_images(tmp_path)
    confounds = pandas.DataFrame({"csf": np.arange(30.0) ** 2, "framewise_displacement": [np.nan, *(0.1 * np.arange(29) % 0.3)]})
    with pytest.raises(DataError, match=r"bold\.nii\.gz: confound framewise_displacement is not known \(n/a\) in volume 0"):
        read_image(image, atlas, ["one", "two"], confounds)
    read_image(image, atlas, ["one", "two"], confounds, sample_mask=np.arange(1, 30))
    with pytest.raises(DataError, match="expected confounds of its 30 volumes, got 29 rows"):
        read_image(image, atlas, ["one", "two"], confounds[1:])
