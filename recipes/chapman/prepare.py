"""Chapman-Shaoxing 12-lead ECG (PhysioNet ecg-arrhythmia, CC BY 4.0): rhythms of 10,247 patients in four classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audiossl.signals.sensors.recording import Rejected, SensorRecording

from ..cpsc2018.prepare import ecg, headers

SOURCE = (
    "url:https://physionet.org/static/published-projects/ecg-arrhythmia/"
    "a-large-scale-12-lead-electrocardiogram-database-for-arrhythmia-study-1.0.0.zip"
)
LAST = "JS10646"  # those behind it are of another hospital, Ningbo
CLASSES = {  # SNOMED CT; merged as by Zheng and others, Scientific Data 7:48, 2020
    "164889003": "AFIB",  # atrial fibrillation
    "164890007": "AFIB",  # atrial flutter
    "426761007": "GSVT",  # supraventricular tachycardia
    "713422000": "GSVT",  # atrial tachycardia
    "233896004": "GSVT",  # atrioventricular node reentrant tachycardia
    "233897008": "GSVT",  # atrioventricular reentrant tachycardia
    "195101003": "GSVT",  # sinus atrium to atrial wandering rhythm, as wandering atrial pacemaker
    "17366009": "GSVT",  # the same, under the code of Challenge 2021
    "427084000": "GSVT",  # sinus tachycardia
    "426177001": "SB",  # sinus bradycardia
    "426783006": "SR",  # sinus rhythm
    "427393009": "SR",  # sinus irregularity
}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the records in order of their names, `JS00001` to `JS10646`; each is another patient.

    Of several rhythms the first in the header counts; all codes are in `custom`.

    `data_root` holds `JS00001.hea`, `JS00001.mat` and so on in any subfolders.

    Raises:
        DataError: if there are no records, or a file of samples is missing.
    """
    chapman = [header for header in headers(data_root, SOURCE, "JS[0-9]*.hea") if header.stem <= LAST]
    for header in chapman[:limit]:
        yield ecg(header, CLASSES, choose=lambda codes: codes[0])
