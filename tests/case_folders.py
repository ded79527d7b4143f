"""Folders as the UCR and UEA archives and MONSTER lay them out, small, with cases that are easy to tell apart."""

from __future__ import annotations

import numpy as np

CLASSES = ("rest", "walk")


def waves(count, channels=2, samples=40, seed=0):
    """Cases (N, C, L) and their classes in turn: `walk` swings, `rest` does not."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    time = np.arange(samples)
    swing = np.sin(0.8 * time + rng.uniform(0, 6, (count, channels, 1))) * labels[:, None, None]
    return (swing + 0.2 * rng.standard_normal((count, channels, samples))).astype(np.float32), labels


def ts_lines(cases, labels, name="Moves", classes=CLASSES):
    """A .ts file of equal lengths."""
    _, channels, samples = cases.shape
    one = "true" if channels == 1 else "false"
    header = ["# a comment", f"@problemName {name}", "@timeStamps false", "@missing false", f"@univariate {one}"]
    header += [*([] if channels == 1 else [f"@dimensions {channels}"]), "@equalLength true", f"@seriesLength {samples}"]
    header += [f"@classLabel true {' '.join(classes)}", "@data"]
    rows = [":".join([*(",".join(f"{x:.5g}" for x in row) for row in case), classes[label]]) for case, label in
            zip(cases, labels, strict=True)]  # fmt: skip
    return header + rows


def write_ts(folder, name="Moves", train=20, test=12, **options):
    """`NAME_TRAIN.ts` and `NAME_TEST.ts`."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, count, seed in (("TRAIN", train, 1), ("TEST", test, 2)):
        lines = ts_lines(*waves(count, seed=seed, **options), name)
        (folder / f"{name}_{side}.ts").write_text("\n".join(lines) + "\n")
    return folder


def write_monster(folder, name="Moves", people=10, each=4, folds=5, metadata=True, by_person=True):
    """`NAME_X.npy` and what belongs to it; each person is tested in one fold, or with `by_person=False` in all."""
    folder.mkdir(parents=True, exist_ok=True)
    cases, labels = waves(people * each)
    who = np.arange(people).repeat(each)
    np.save(folder / f"{name}_X.npy", cases)
    np.save(folder / f"{name}_y.npy", labels)
    (folder / f"{name}_classmap.txt").write_text("class_label,class_name\n0,rest\n1,walk\n")
    if metadata:
        np.save(folder / f"{name}_metadata.npy", {"subject_id": who, "dataset": name}, allow_pickle=True)
    of = who % folds if by_person else np.arange(len(who)) // 2 % folds
    for fold in range(folds):
        np.savetxt(folder / f"test_indices_fold_{fold}.txt", np.flatnonzero(of == fold), fmt="%d")
    return folder
