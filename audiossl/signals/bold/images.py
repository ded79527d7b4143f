"""Regional series of images and a label atlas, through nilearn: plain NIfTI and fMRIPrep derivatives."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from audiossl.errors import DataError, import_extra
from audiossl.signals.bold.bids import entities, in_one_space, read_participants, repetition_time
from audiossl.signals.bold.masks import Mask, as_repetition_time, mask_of_volumes
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import Rejected, SensorRecording

NEAR = 0.1  # how far a label may be from the whole number that it means: Colin27 says 2.0235 for 2 and 2.9882 for 3
# What a file that is cut short or damaged makes decompression and reading raise.
DAMAGED = (OSError, EOFError, zlib.error, ValueError, IndexError)


def read_image(
    image: Path,
    atlas: Path,
    regions: Sequence[str],
    confounds: object = None,
    sample_mask: Mask | None = None,
    tr: int | float | None = None,
) -> tuple[Float64[np.ndarray, "N T"], np.ndarray | None]:
    """Mean series of each label of an atlas, after a regression on confounds (nilearn's `NiftiLabelsMasker`).

    Voxels that are NaN or infinite in a volume that is kept belong to no region; nilearn alone would take them for zeros.

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
        DataError: if an image cannot be read, is of other dimensions, or holds other labels, below 0, above N or far from a whole
            number, or none; if no voxel has values throughout, a confound is not known in a volume that is kept, or `sample_mask`
            holds no numbers of volumes. The message names the file.
        MissingExtraError: if nilearn is not installed.
    """
    nibabel, maskers = import_extra("nibabel", "fmri"), import_extra("nilearn.maskers", "fmri")
    try:
        whole = read_labels(atlas, len(regions))
        loaded = nibabel.load(image)
        if len(loaded.shape) != 4:
            raise DataError(f"{image}: expected a run of volumes, x, y, z and time, got an image of shape {loaded.shape}")
        num_volumes = loaded.shape[3]
        kept = None if sample_mask is None else mask_of_volumes(sample_mask, num_volumes, image.name)
        if confounds is not None:
            _check_confounds(confounds, num_volumes, kept, image)
        data = np.asanyarray(loaded.dataobj)
        mask = _with_values(data, loaded.affine, kept, image)
        with warnings.catch_warnings(action="ignore"):
            masker = maskers.NiftiLabelsMasker(
                whole, mask_img=mask, standardize=None, t_r=tr, keep_masked_labels=False, resampling_target="data"
            )
            used = None if kept is None else np.flatnonzero(kept)
            found = masker.fit_transform(nibabel.Nifti1Image(data, loaded.affine), confounds=confounds, sample_mask=used)
            ids = [round(float(label)) for key, label in masker.region_ids_.items() if key != "background"]
    except (*DAMAGED, nibabel.filebasedimages.ImageFileError) as error:
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
        DataError: if it has several volumes, a label is not within 0.1 of 0 .. N, or there is none above 0; the message names the
            image.
    """
    nibabel = import_extra("nibabel", "fmri")
    loaded = nibabel.load(atlas)
    if len(loaded.shape) < 3 or loaded.shape[3:] not in ((), (1,)):
        raise DataError(
            f"{atlas}: expected one volume of labels, got an image of shape {loaded.shape}. Of an atlas of probabilities take "
            "the likeliest label of each voxel"
        )
    values = np.asarray(loaded.dataobj, np.float64).reshape(loaded.shape[:3])
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


def _check_confounds(confounds: Any, num_volumes: int, kept: np.ndarray | None, image: Path) -> None:
    values = np.asarray(confounds, np.float64)
    if len(values) != num_volumes:
        raise DataError(f"{image}: expected confounds of its {num_volumes} volumes, got {len(values)} rows")
    unknown = ~np.isfinite(values.reshape(num_volumes, -1)) & (True if kept is None else kept[:, None])
    if unknown.any():
        volume, column = (int(place[0]) for place in unknown.nonzero())
        name = getattr(confounds, "columns", range(unknown.shape[1]))[column]
        raise DataError(
            f"{image}: confound {name} is not known (n/a) in volume {volume}: set it, as to 0 for a derivative or a displacement "
            "in the first volume, or leave the column or the volume out"
        )


def _with_values(data: np.ndarray, affine: np.ndarray, kept: np.ndarray | None, image: Path) -> Any:
    """A mask of the voxels that are numbers in all volumes that are kept; None if all are."""
    if data.dtype.kind != "f":
        return None
    known = np.isfinite(data if kept is None else data[..., kept]).all(-1)
    if known.all():
        return None
    if not known.any():
        raise DataError(f"{image}: no voxel is a number in every volume that is kept: leave out volumes of NaN by a mask")
    return import_extra("nibabel", "fmri").Nifti1Image(known.astype(np.int8), affine)


def read_fmriprep(
    root: Path,
    atlas: Path,
    regions: Sequence[str],
    task: str = "rest",
    strategy: str = "simple",
    space: str | None = None,
    res: str | None = None,
    tr: int | float | None = None,
    **options: object,
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

    >>> runs = read_fmriprep(Path("derivatives"), Path("atlas.nii.gz"), ["a", "b"])  # doctest: +SKIP
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
        except (DataError, *DAMAGED) as error:
            yield Rejected(name, f"{path.name}: {error}")
