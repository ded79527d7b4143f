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
from audiossl.signals.bold.run import bold_run
from audiossl.signals.sensors.recording import Rejected, SensorRecording


def read_image(
    image: Path, atlas: Path, regions: Sequence[str], confounds: Any = None, sample_mask: Any = None, tr: float | None = None
) -> tuple[Float64[np.ndarray, "N T"], np.ndarray | None]:
    """Mean series of each label of an atlas, after a regression on confounds (nilearn's `NiftiLabelsMasker`).

    Args:
        image: 4-D.
        atlas: 3-D image of labels 1 .. N in the same space.
        regions: names of the labels, in order; a label that the image does not cover gives NaN.
        confounds: table of volumes x confounds, or None.
        sample_mask: indices of the volumes that are kept, or None.
        tr: seconds, for filters.

    Returns:
        Regions x all volumes, and the mask of kept volumes.

    Raises:
        DataError: if an image cannot be read or holds other labels; the message names it.
        MissingExtraError: if nilearn is not installed.
    """
    nibabel, maskers = import_extra("nibabel", "fmri"), import_extra("nilearn.maskers", "fmri")
    try:
        labels = np.unique(np.asarray(nibabel.load(atlas).dataobj)).astype(int)
        num_volumes = nibabel.load(image).shape[3]
        labels = labels[labels > 0]
        if len(labels) and labels[-1] > len(regions):
            raise DataError(f"{atlas} has labels up to {labels[-1]}, but {len(regions)} regions are named")
        with warnings.catch_warnings(action="ignore"):
            masker = maskers.NiftiLabelsMasker(
                atlas, standardize=None, t_r=tr, keep_masked_labels=False, resampling_target="data"
            )
            found = masker.fit_transform(image, confounds=confounds, sample_mask=sample_mask)
            ids = [int(label) for key, label in masker.region_ids_.items() if key != "background"]
    except (OSError, ValueError, IndexError, nibabel.filebasedimages.ImageFileError) as error:
        raise DataError(f"{image} cannot be masked by {atlas.name}: {error}") from error
    kept = None
    if sample_mask is not None:
        kept = np.zeros(num_volumes, bool)
        kept[np.asarray(sample_mask)] = True
    series = np.full((len(regions), num_volumes), np.nan)
    place = np.flatnonzero(kept) if kept is not None else np.arange(num_volumes)
    for label, row in zip(ids, np.asarray(found).T, strict=True):
        series[label - 1, place] = row
    return series, kept


def read_fmriprep(
    root: Path,
    atlas: Path,
    regions: Sequence[str],
    task: str = "rest",
    strategy: str = "simple",
    space: str | None = None,
    res: str | None = None,
    tr: float | None = None,
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
            seconds = tr or repetition_time(path)
            series, kept = read_image(path, atlas, regions, confounds, sample_mask, seconds)
            about = {"session": of_file.get("ses", ""), "task": task, **people.get(of_file["sub"], {})}
            yield bold_run(name, of_file["sub"], series, seconds, regions, kept, about)
        except (DataError, ValueError, OSError) as error:
            yield Rejected(name, f"{path.name}: {error}")
