"""China Physiological Signal Challenge 2018, as in PhysioNet's Challenge 2020: 12-lead ECG of 6,877 patients, nine classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from audiossl.errors import DataError, naming
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.filters import resample
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.wfdb import read_wfdb_record

SOURCE = (
    "url:https://physionet.org/static/published-projects/challenge-2020/"
    "classification-of-12-lead-ecgs-the-physionetcomputing-in-cardiology-challenge-2020-1.0.2.zip"
)
CLASSES = {  # SNOMED CT
    "426783006": "normal",
    "164889003": "AF",
    "270492004": "I-AVB",
    "164909002": "LBBB",
    "59118001": "RBBB",
    "284470004": "PAC",
    "164884008": "PVC",
    "429622005": "STD",
    "164931005": "STE",
}
LEADS = ("I", "II", "III", "V2")
RATE = 100.0
MIN_SECONDS = 10.0


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the records in order of their names, `A0001` on; each is another patient.

    Of several diagnoses that one counts whose code is first as text, which is what the preparation of arXiv 2510.22655 does; all
    codes are in `custom`.

    `data_root` holds `A0001.hea`, `A0001.mat` and so on in any subfolders.

    Raises:
        DataError: if there are no records, or a file of samples is missing.
    """
    for header in headers(data_root, SOURCE, "A[0-9]*.hea")[:limit]:
        yield ecg(header, CLASSES, choose=min)


def headers(data_root: Path | None, source: str, pattern: str) -> list[Path]:
    """All headers of this pattern, in order of their names, after a look at whether each has its samples beside it."""
    by_hand = data_root is not None and any(data_root.rglob(pattern))
    root = data_root if data_root is not None and by_hand else fetch(source, data_root=data_root)
    found = sorted(root.rglob(pattern), key=lambda path: path.name)
    if not found:
        raise DataError(f"expected WFDB headers {pattern} below {root}, got none; see the README of this recipe")
    for header in found:
        if not header.with_suffix(".mat").is_file():
            raise DataError(f"{header.with_suffix('.mat')} is not there, but {header.name} is; fetch the data again")
    return found


def ecg(header: Path, classes: Mapping[str, str], choose: Callable[[list[str]], str]) -> SensorRecording | Rejected:
    """One record: four leads in mV at 100 Hz, with one class over the whole of it.

    Args:
        header: the WFDB header.
        classes: SNOMED CT code -> class.
        choose: which code counts, of those that have a class.
    """
    try:
        record = read_wfdb_record(header)
        with naming(header):
            known = [code for code in record.codes if code in classes]
            if not known:
                raise DataError(f"no diagnosis among {', '.join(record.codes) or 'none'} has a class")
            if missing := [lead for lead in LEADS if lead not in record.channels]:
                raise DataError(f"expected the leads {', '.join(LEADS)}, {', '.join(missing)} is not there")
            places = [record.channels.index(lead) for lead in LEADS]
            values = resample(record.values[places], record.rate, RATE)
            if (seconds := values.shape[1] / RATE) < MIN_SECONDS:
                raise DataError(f"{seconds:g} s is shorter than the window of {MIN_SECONDS:g} s")
            return SensorRecording(
                id=header.stem,
                subject=header.stem,
                rate=RATE,
                channels=LEADS,
                units=tuple(record.units[place] for place in places),
                values=values,
                annotations={"rhythm": (Annotation(0.0, seconds, classes[choose(known)]),)},
                custom={"codes": ",".join(record.codes)},
            )
    except DataError as error:
        return Rejected(header.stem, str(error))
