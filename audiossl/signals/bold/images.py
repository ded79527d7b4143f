"""Regional series of images and a label atlas, through nilearn: plain NIfTI and fMRIPrep derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from audiossl.errors import DataError, import_extra
from audiossl.signals.bold.bids import entities, in_one_space, read_participants, repetition_time
from audiossl.signals.bold.masks import as_repetition_time, mask_of_volumes
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import Rejected, SensorRecording

NEAR = 0.1  # how far a label may be from the whole number that it means: Colin27 says 2.0235 for 2 and 2.9882 for 3


def read_image(
    image: Path,
    atlas: Path,
    regions: Sequence[str],
    confounds: Any = None,
    sample_mask: Any = None,
    tr: int | float | None = None,
) -> tuple[Float64[np.ndarray, "N T"], np.ndarray | None]:
    """Mean series of each label of an atlas, after a regression on confounds (nilearn's `NiftiLabelsMasker`).

    Args:
        image: 4-D.
        atlas: 3-D image of labels 1 .. N in the same space, 0 or NaN where there is none. Labels that scaling made fractions are
            those within 0.1.
        regions: names of the labels, in order; a label without a voxel in the image gives NaN, and a warning that names it.
        confounds: table of volumes x confounds, or None.
        sample_mask: indices of the volumes that are kept, or None.
        tr: seconds, for filters.

    Returns:
        Regions x all volumes, and the mask of kept volumes.

    Raises:
        DataError: if an image cannot be read or holds other labels, below 0, above N or far from a whole number, or none; if
            `sample_mask` holds no numbers of volumes. The message names the file.
        MissingExtraError: if nilearn is not installed.
    """
    nibabel, maskers = import_extra("nibabel", "fmri"), import_extra("nilearn.maskers", "fmri")
    try:
        whole = read_labels(atlas, len(regions))
        num_volumes = nibabel.load(image).shape[3]
        kept = None if sample_mask is None else mask_of_volumes(sample_mask, num_volumes, image.name)
        with warnings.catch_warnings(action="ignore"):
            masker = maskers.NiftiLabelsMasker(
                whole, standardize=None, t_r=tr, keep_masked_labels=False, resampling_target="data"
            )
            used = None if kept is None else np.flatnonzero(kept)
            found = masker.fit_transform(image, confounds=confounds, sample_mask=used)
            ids = [round(float(label)) for key, label in masker.region_ids_.items() if key != "background"]
    except (OSError, ValueError, IndexError, nibabel.filebasedimages.ImageFileError) as error:
        raise DataError(f"{image} cannot be masked by {atlas.name}: {error}") from error
    series = np.full((len(regions), num_volumes), np.nan)
    place = np.flatnonzero(kept) if kept is not None else np.arange(num_volumes)
    for label, row in zip(ids, np.asarray(found).T, strict=True):
        series[label - 1, place] = row
    if absent := [name for label, name in enumerate(regions, 1) if label not in ids]:
        warnings.warn(
            f"{image}: {len(absent)} of {len(regions)} regions have no voxel where {atlas.name} has their label, and no values: "
            f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}",
            stacklevel=2,
        )
    return series, kept


def read_labels(atlas: Path, num_regions: int) -> Any:
    """Read a label image with whole labels, 0 where there is none.

    Args:
        atlas: 3-D image.
        num_regions: N, the highest label there may be.

    Returns:
        A nibabel image of int32 in the same space.

    Raises:
        DataError: if a label is not within 0.1 of 0 .. N, or there is none above 0; the message names the image.
    """
    nibabel = import_extra("nibabel", "fmri")
    loaded = nibabel.load(atlas)
    values = np.asarray(loaded.dataobj, np.float64)
    values = np.where(np.isnan(values), 0.0, values)
    found = np.unique(values)
    is_near = np.isfinite(found)
    is_near[is_near] = np.abs(found[is_near] - np.round(found[is_near])) <= NEAR
    if far := found[~is_near].tolist():
        raise DataError(
            f"{atlas} has {len(far)} labels that are no whole numbers, such as {far[0]:.4g}: was it resampled by interpolation? "
            "Resample it by nearest neighbour, or give labels 1, 2, ..."
        )
    labels = np.round(found).astype(int)
    if labels[0] < 0:
        raise DataError(f"{atlas} has labels below 0, such as {labels[0]}: expected 1 to {num_regions}, and 0 for no region")
    if labels[-1] > num_regions:
        raise DataError(f"{atlas} has labels up to {labels[-1]}, but {num_regions} regions are named")
    if labels[-1] == 0:
        raise DataError(f"{atlas} has no label above 0: expected 1 to {num_regions}")
    return nibabel.Nifti1Image(np.round(values).astype(np.int32), loaded.affine)


def read_fmriprep(
    root: Path,
    atlas: Path,
    regions: Sequence[str],
    task: str = "rest",
    strategy: str = "simple",
    space: str | None = None,
    res: str | None = None,
    tr: int | float | None = None,
    **options: Any,
) -> Iterator[SensorRecording | Rejected]:
    """Yield the runs of fMRIPrep derivatives, cleaned by one of nilearn's confound strategies.

    Args:
        root: derivatives folder with `sub-*` folders.
        atlas: label image in the space of the runs.
        regions: its names.
        task: name in `task-`.
        strategy: simple, scrubbing, compcor or ica_aroma, with `options` of `load_confounds_strategy`.
        space: name in `space-` that the atlas is in; by default the only one there is, never `T1w` or `native` (no `space-`).
        res: name in `res-`, or an empty string for none; by default the only one there is.
        tr: seconds; by default the JSON files say.

    Raises:
        DataError: if there is no such run, or runs come in several spaces or resolutions and none is named.
    """
    interfaces = import_extra("nilearn.interfaces.fmriprep", "fmri")
    if tr is not None:
        as_repetition_time(tr, "tr")
    files = sorted(root.glob(f"sub-*/**/*_task-{task}_*desc-preproc_bold.nii.gz"))
    if not files:
        raise DataError(f"no sub-*/**/*_task-{task}_*desc-preproc_bold.nii.gz below {root}")
    files, rejected = in_one_space(root, files, space, res)
    yield from rejected
    people = read_participants(root)
    for path in files:
        name, of_file = path.name.partition("_desc-")[0], entities(path)
        try:
            with warnings.catch_warnings(action="ignore"):
                confounds, sample_mask = interfaces.load_confounds_strategy(str(path), denoise_strategy=strategy, **options)
            seconds = repetition_time(path) if tr is None else tr
            series, kept = read_image(path, atlas, regions, confounds, sample_mask, seconds)
            about = {"session": of_file.get("ses", ""), "task": task, **people.get(of_file["sub"], {})}
            yield bold_run(name, of_file["sub"], series, seconds, regions, kept, about)
        except (DataError, ValueError, OSError) as error:
            yield Rejected(name, f"{path.name}: {error}")
