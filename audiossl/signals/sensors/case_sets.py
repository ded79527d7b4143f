"""Find the set of cases that a folder holds: of the UCR and UEA archives, or of MONSTER."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.signals.sensors.cases import CaseSet
from audiossl.signals.sensors.monster import SIGNALS, MonsterCases, holds_cases
from audiossl.signals.sensors.ts_files import TEST, TRAIN, TsCases

FEW = 8  # names of sets in a message


def find_case_set(places: Sequence[str | Path], person: str = "") -> CaseSet | None:
    """The set of a folder, or of one of its two .ts files; None where there is none, and other readers are asked.

    Args:
        places: a corpus, as a recipe names it.
        person: key of MONSTER's metadata that says who was recorded; by default `subject_id`.

    Raises:
        ConfigError: if a folder holds several sets, or one side of a set is missing.
    """
    if len(places) != 1:
        return None
    path = Path(places[0]).expanduser()
    folder = path.parent if path.name.endswith((TRAIN, TEST)) else path
    if not folder.is_dir():
        return None
    if folder != path:
        return _of_ts(folder, path.name.removesuffix(TRAIN).removesuffix(TEST))
    ts = sorted({file.name.removesuffix(end) for end in (TRAIN, TEST) for file in folder.glob(f"*{end}")})
    arrays = sorted(file.name.removesuffix(SIGNALS) for file in folder.glob(f"*{SIGNALS}") if holds_cases(file))
    below = [*folder.glob(f"*/*{TRAIN}"), *filter(holds_cases, folder.glob(f"*/*{SIGNALS}"))]
    inside = sorted({file.parent.name for file in below})
    if folder.absolute().name in ts:  # next to it may lie variants, as JapaneseVowels_eq
        return _of_ts(folder, folder.absolute().name)
    if len(ts) + len(arrays) > 1 or (not ts and not arrays and inside):
        names = ts + arrays or inside
        listed = ", ".join(names[:FEW]) + ", ..." * (len(names) > FEW)
        one = folder / (f"{names[0]}{TRAIN}" if ts else names[0])
        raise ConfigError(f"corpus: {folder} holds the sets {listed}: a run is of one, such as corpus={one}")
    if ts:
        return _of_ts(folder, ts[0])
    return MonsterCases(arrays[0], folder, *([person] if person else [])) if arrays else None


def _of_ts(folder: Path, name: str) -> TsCases:
    train, test = (folder / f"{name}{end}" for end in (TRAIN, TEST))
    if missing := [path.name for path in (train, test) if not path.is_file()]:
        raise ConfigError(f"corpus: expected {train.name} and {test.name} in {folder}, {missing[0]} is not there")
    return TsCases(name, train, test)
