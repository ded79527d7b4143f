"""Sleep-EDF Expanded (PhysioNet sleep-edfx 1.0.0, ODC-By): 197 nights with sleep stages, one EEG channel at 100 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from audiossl.errors import DataError, naming
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.edf import EdfNote, read_edf_notes, read_edf_signal, read_edf_start
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

SOURCE = "url:https://physionet.org/static/published-projects/sleep-edfx/sleep-edf-database-expanded-1.0.0.zip"
CHANNEL = "EEG Fpz-Cz"
RATE = 100.0
EPOCH_SECONDS = 30
WAKE_EPOCHS = 60  # kept before the first and behind the last epoch of sleep: half an hour
STAGES = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "REM",
}
UNSCORED = ("Sleep stage ?", "Movement time")


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the nights in order of their names: `SC4001E0` and so on, then `ST7011J0` and so on.

    `data_root` holds `SC4001E0-PSG.edf`, `SC4001EC-Hypnogram.edf` and so on in any subfolders.

    Raises:
        DataError: if there are no nights, or a hypnogram is missing.
    """
    by_hand = data_root is not None and any(data_root.rglob("*-PSG.edf"))
    root = data_root if data_root is not None and by_hand else fetch(SOURCE, data_root=data_root)
    nights = sorted(root.rglob("S[CT]*-PSG.edf"), key=lambda path: path.name)
    if not nights:
        raise DataError(f"expected files such as SC4001E0-PSG.edf below {root}, got none; see recipes/sleep_edf/README.md")
    pairs = [(night, _hypnogram(night)) for night in nights]
    for night, hypnogram in pairs[:limit]:
        yield _recording(night, hypnogram)


def _hypnogram(night: Path) -> Path:
    """`SC4001E0-PSG.edf` is scored in `SC4001EC-Hypnogram.edf`: the last letter is the scorer's."""
    found = sorted(night.parent.glob(f"{night.name[:7]}?-Hypnogram.edf"))
    if len(found) != 1:
        raise DataError(f"expected one {night.name[:7]}?-Hypnogram.edf beside {night}, got {len(found)}")
    return found[0]


def _recording(night: Path, hypnogram: Path) -> SensorRecording | Rejected:
    name = night.name.removesuffix("-PSG.edf")
    try:
        signal = read_edf_signal(night, CHANNEL)
        if signal.rate != RATE:
            raise DataError(f"{night.name}: expected {RATE:g} Hz, got {signal.rate:g} Hz")
        later = (read_edf_start(hypnogram) - read_edf_start(night)).total_seconds()
        with naming(hypnogram):
            notes = [replace(note, onset=note.onset + later) for note in read_edf_notes(hypnogram)]
            stages = epochs(notes, num_epochs=len(signal.values) // round(EPOCH_SECONDS * RATE))
            first, last = sleep_period(stages)
        samples = round(EPOCH_SECONDS * RATE)
        return SensorRecording(
            id=name,
            subject=name[:5],  # SC4ssN: person ss of the cassette study, night N; ST7ssN: the same of the telemetry study
            rate=RATE,
            channels=(CHANNEL,),
            units=(signal.unit,),
            values=signal.values[None, first * samples : (last + 1) * samples],
            annotations={
                "stage": tuple(
                    Annotation(float(place * EPOCH_SECONDS), float((place + 1) * EPOCH_SECONDS), stage)
                    for place, stage in enumerate(stages[first : last + 1])
                    if stage is not None
                )
            },
            custom={"session": name[5], "study": name[:2]},
        )
    except DataError as error:
        return Rejected(name, str(error))


def epochs(notes: list[EdfNote], num_epochs: int) -> list[str | None]:
    """The stage of each epoch of 30 s of the signal; None where it was not scored or somebody moved.

    Raises:
        DataError: if a stage is not known, begins before the signal, does not begin and end with an epoch, or overlaps another.
    """
    stages: list[str | None] = [None] * num_epochs
    scored = 0
    for note in notes:
        if note.text not in STAGES and note.text not in UNSCORED:
            raise DataError(f"expected a sleep stage, got '{note.text}' at {note.onset:g} s")
        if note.onset < 0 or (not scored and note.onset >= num_epochs * EPOCH_SECONDS):
            raise DataError(f"'{note.text}' at {note.onset:g} s lies outside the signal's {num_epochs * EPOCH_SECONDS} s")
        if note.onset % EPOCH_SECONDS or note.duration % EPOCH_SECONDS:
            raise DataError(f"expected stages in epochs of 30 s, got {note.duration:g} s at {note.onset:g} s")
        begin, end = int(note.onset) // EPOCH_SECONDS, int(note.onset + note.duration) // EPOCH_SECONDS
        if begin < scored:
            raise DataError(f"'{note.text}' at {note.onset:g} s begins before the stage before it ends")
        scored = end
        # The score may go on behind the end of the signal.
        for place in range(begin, min(end, num_epochs)):
            stages[place] = STAGES.get(note.text)
    return stages


def sleep_period(stages: list[str | None]) -> tuple[int, int]:
    """First and last epoch to keep: half an hour around all sleep."""
    asleep = [place for place, stage in enumerate(stages) if stage not in (None, "W")]
    if not asleep:
        raise DataError("expected epochs of sleep, got none")
    return max(asleep[0] - WAKE_EPOCHS, 0), min(asleep[-1] + WAKE_EPOCHS, len(stages) - 1)
