"""The tasks of SUPERB and SUPERB-SG: which are here, and what each official corpus asks of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from audiossl.evaluation.superb.task import SuperbTask
from audiossl.evaluation.superb.tasks.diarization import Diarization
from audiossl.evaluation.superb.tasks.emotions import EmotionRecognition
from audiossl.evaluation.superb.tasks.enhancement import Enhancement
from audiossl.evaluation.superb.tasks.intents import IntentClassification
from audiossl.evaluation.superb.tasks.keywords import KeywordSpotting
from audiossl.evaluation.superb.tasks.out_of_domain import OutOfDomainRecognition
from audiossl.evaluation.superb.tasks.phones import PhoneRecognition
from audiossl.evaluation.superb.tasks.separation import Separation
from audiossl.evaluation.superb.tasks.slots import SlotFilling
from audiossl.evaluation.superb.tasks.speakers import SpeakerIdentification
from audiossl.evaluation.superb.tasks.speech_recognition import SpeechRecognition
from audiossl.evaluation.superb.tasks.spoken_queries import QueryByExample
from audiossl.evaluation.superb.tasks.verification import SpeakerVerification

TASKS: Mapping[str, type[SuperbTask]] = {
    kind.name: kind
    for kind in (
        PhoneRecognition,
        SpeechRecognition,
        KeywordSpotting,
        QueryByExample,
        SpeakerIdentification,
        SpeakerVerification,
        Diarization,
        IntentClassification,
        SlotFilling,
        EmotionRecognition,
        Enhancement,
        Separation,
        OutOfDomainRecognition,
    )
}


@dataclass(frozen=True)
class OfficialData:
    """What an official task needs.

    Attributes:
        corpus: its data.
        hours: hours of audio, roughly; None where it was not at hand.
        cost: measured or estimated time with a 95 M parameter encoder.
        unavailable: why the task cannot be run, where it cannot.
    """

    corpus: str
    hours: float | None
    cost: str
    unavailable: str = ""


# Hours on one H100 with default configurations are those of an independent re-run of WavLM Base+ (July 2026); where none was
# published the number of updates says.
OFFICIAL: Mapping[str, OfficialData] = {
    "PR": OfficialData("LibriSpeech train-clean-100, dev-clean, test-clean, with s3prl's lexicon", 111.0, "100 k updates"),
    "ASR": OfficialData("LibriSpeech train-clean-100, dev-clean, test-clean", 111.0, "200 k updates, 13.4 h on an H100"),
    "KS": OfficialData("Speech Commands v0.01 and its test set", 18.0, "200 k updates, 1.5 h on an H100"),
    "QbE": OfficialData("QUESST 2014, non-native English part", None, "no training; DTW of all layers, hours on a CPU"),
    "SID": OfficialData("VoxCeleb1, identification split", 352.0, "200 k updates of 32 clips; search lr up to 1e-1"),
    "ASV": OfficialData("VoxCeleb1 dev and test, 37,720 trials", 352.0, "200 k updates"),
    "SD": OfficialData("Libri2Mix 16 kHz max, mix_both", 58.0, "30 k updates"),
    "IC": OfficialData("Fluent Speech Commands", 19.0, "200 k updates, 4 h on an H100"),
    "SF": OfficialData("Audio SNIPS", None, "200 k updates"),
    "ER": OfficialData("IEMOCAP, five sessions", 7.0, "five times 30 k updates"),
    "SE": OfficialData("VoiceBank-DEMAND 16 kHz, 28 speakers", 10.0, "150 k updates, 6.4 h on an H100"),
    "SS": OfficialData("Libri2Mix 16 kHz min, mix_clean", 58.0, "150 k updates"),
    "OOD-ASR": OfficialData("Common Voice 7 es, ar, zh-CN, and SBCSAE", None, "four times 500 k updates"),
    "VC": OfficialData(
        "VCC2020", None, "four times 10 k updates", "run s3prl's own recipe on an exported upstream (audiossl export s3prl)"
    ),
    "ST": OfficialData("CoVoST 2 En-De on Common Voice 4", None, "32 k updates", "its fairseq does not build on current torch"),
}


def official_table() -> Table:
    """What each task needs, how large it is and how long it takes, and which are not here."""
    table = Table("task", "corpus", "hours", "cost", "here", title="SUPERB and SUPERB-SG")
    for name, data in OFFICIAL.items():
        here = "yes" if name in TASKS else data.unavailable or "no"
        table.add_row(name, data.corpus, "" if data.hours is None else f"{data.hours:g}", data.cost, here)
    return table
