"""Files as people keep them, for tests of one's own data: accelerometers of a few people, and BOLD tables with phenotypes."""

from __future__ import annotations

import numpy as np

RATE = 52.3


def walk_table(person=0, seconds=20.0, rate=RATE, seed=None):
    """Lines of a table: columns t, x, y, z, activity, subject; `walk`, then `sit`; for odd people the other way round."""
    rng = np.random.default_rng(person if seed is None else seed)
    times = np.arange(int(seconds * rate)) / rate
    is_walk = (times < seconds / 2) == (person % 2 == 0)
    swing = np.where(is_walk, 0.6, 0.01) * np.sin(2 * np.pi * (1.6 + 0.1 * person) * times)
    signal = swing + 0.1 * rng.standard_normal((3, len(times)))
    rows = zip(times, *signal, is_walk, strict=True)
    lines = [f"{t:.4f},{x:.4f},{y:.4f},{z:.4f},{'walk' if walks else 'sit'},p{person}" for t, x, y, z, walks in rows]
    return ["t,x,y,z,activity,subject", *lines]


def write_people(folder, count=8, **options):
    """A CSV for each of some people."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in range(count):
        (folder / f"person{person}.csv").write_text("\n".join(walk_table(person, **options)) + "\n")
    return folder


def write_runs(folder, count=48, regions=8, volumes=60):
    """A table of regional series for each of some people, and `people.csv` beside the folder, with sex and age."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = ["participant_id,sex,age,note"]
    for person in range(count):
        sex = "fm"[person % 2]
        mixing = np.eye(regions) + 0.2
        mixing[0, 1] += 1.5 * (sex == "f")
        series = rng.standard_normal((volumes, regions)) @ mixing
        header = ",".join(f"R{number}" for number in range(regions))
        lines = [header, *(",".join(f"{value:.4f}" for value in row) for row in series)]
        (folder / f"sub-{person:02d}_task-rest_timeseries.csv").write_text("\n".join(lines) + "\n")
        rows.append(f"{person},{sex},{20 + person % 17 + rng.random():.2f},remark {person}")
    (folder.parent / "people.csv").write_text("\n".join(rows) + "\n")
    return folder
