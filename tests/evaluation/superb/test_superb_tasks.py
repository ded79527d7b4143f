import pytest
from superb_toy_tasks import write_toy

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.superb.anchors import ANCHORS, superb_s
from audiossl.evaluation.superb.catalogue import OFFICIAL, TASKS
from audiossl.evaluation.superb.tasks.intents import IntentClassification
from audiossl.evaluation.superb.tasks.keywords import KeywordSpotting
from audiossl.evaluation.superb.tasks.out_of_domain import OutOfDomainRecognition
from audiossl.evaluation.superb.tasks.phones import PhoneRecognition
from audiossl.evaluation.superb.tasks.slots import SlotFilling, slots, type_f1
from audiossl.evaluation.superb.tasks.speakers import SpeakerIdentification
from audiossl.evaluation.superb.tasks.speech_recognition import SpeechRecognition
from audiossl.evaluation.superb.tasks.transcripts import character_errors, word_errors

# Rows of the published table whose aggregates are quoted as 818, 941 and 1106: PR, ASR, KS, QbE, SID, ASV, SD, IC, SF, ER.
PUBLISHED = {
    818: (5.74, 6.43, 96.23, 0.0233, 75.18, 6.02, 6.08, 92.35, 88.30, 24.77, 63.43),
    914: (4.75, 3.75, 96.66, 0.0489, 86.14, 5.65, 5.62, 95.28, 87.11, 27.31, 65.64),
    941: (5.41, 6.42, 96.30, 0.0736, 81.42, 5.11, 5.88, 98.34, 88.53, 25.20, 64.92),
    919: (3.53, 3.62, 95.29, 0.0353, 90.33, 5.98, 5.75, 98.76, 89.81, 21.76, 67.62),
    1019: (4.84, 6.21, 96.79, 0.0870, 84.51, 4.69, 4.55, 98.63, 89.38, 22.86, 65.94),
    1106: (3.92, 5.59, 97.37, 0.0988, 89.42, 4.07, 3.50, 99.00, 90.58, 21.20, 68.65),
    1144: (3.06, 3.44, 97.86, 0.0886, 95.49, 3.77, 3.24, 99.31, 92.21, 18.36, 70.62),
}


def as_values(row):
    names = [(task, metric) for task, metrics in ANCHORS.fbank.items() for metric in metrics]
    order = ["PR", "ASR", "KS", "QbE", "SID", "ASV", "SD", "IC", "SF", "SF", "ER"]
    found = {}
    for (task, metric), value, expected in zip(names, row, order, strict=True):
        assert task == expected
        found.setdefault(task, {})[metric] = value
    return found


@pytest.mark.parametrize("expected", PUBLISHED)
def test_the_aggregate_of_published_rows(expected):
    assert round(superb_s(as_values(PUBLISHED[expected]))) == expected


def test_the_ends_of_the_scale_and_missing_tasks():
    assert superb_s(ANCHORS.fbank) == 0 and superb_s(ANCHORS.reference) == pytest.approx(1000)
    with pytest.raises(ConfigError, match=r"over ten tasks; missing ER accuracy"):
        superb_s({task: values for task, values in ANCHORS.fbank.items() if task != "ER"})


def test_every_task_has_its_official_data_and_the_anchors_its_metric():
    assert TASKS.keys() <= OFFICIAL.keys()
    for name in TASKS.keys() & ANCHORS.fbank.keys():
        assert next(iter(ANCHORS.fbank[name])) == TASKS[name].metrics[0]


def test_a_clip_is_right_if_all_its_labels_are(tmp_path):
    values = lambda text: {"action": text[0], "object": text[-1], "location": "here"}  # noqa: E731
    task = IntentClassification(write_toy(tmp_path / "ic", "IC", values=values))
    assert list(task.classes) == ["action", "object", "location"] and task.classes["location"] == ["here"]
    truth = {clip.id: dict(clip.values) for clip in task.clips("test")}
    assert task.measure(truth, "test")["accuracy"].value == 1.0
    truth["test0"]["object"] = "?"
    found = task.measure(truth, "test")["accuracy"]
    assert found.value == pytest.approx(11 / 12) and found.low < found.value and found.n == 12


def test_a_label_that_training_has_not(tmp_path):
    folder = write_toy(tmp_path / "sid", "SID")
    path = folder / "test.csv"
    path.write_text(path.read_text().replace(",a\n", ",z\n", 1))
    with pytest.raises(DataError, match=r"test\.csv: test0: the label 'z' is not in the training table, which has 3"):
        SpeakerIdentification(folder)
    phones = write_toy(tmp_path / "pr", "PR", values=lambda text: {"transcription": " ".join(text)})
    path = phones / "valid.csv"
    path.write_text(path.read_text().replace("a b", "a zh", 1).replace("c b", "c zh", 1))
    with pytest.raises(DataError, match=r"valid\.csv: .*'zh' is not among the 3 units"):
        PhoneRecognition(phones)


def test_error_rates(tmp_path):
    task = SpeechRecognition(write_toy(tmp_path / "asr", "ASR", count=3, values=lambda text: {"transcription": f"{text} {text}"}))
    assert task.split("ab  c") == ["a", "b", " ", "c"] and task.join(["a", " ", " ", "b"]) == "a b"
    clips = task.clips("test")
    heard = {clip.id: clip.values["transcription"] for clip in clips}
    heard[clips[0].id] = clips[0].values["transcription"].split()[0]
    found = task.measure(heard, "test")
    assert found["wer"].value == pytest.approx(1 / 6) and found["wer"].n == 6
    assert 0 < found["cer"].value < 1 and found["cer"].low <= found["cer"].value <= found["cer"].high


@pytest.mark.parametrize("task", [SpeechRecognition, OutOfDomainRecognition])
@pytest.mark.parametrize(
    "text", ["the cat sat", "the  cat sat ", "the\u00a0cat sat", "the\tcat\u2028sat", "the cat sa\u00adt", "cafe\u0301"]
)
def test_a_perfect_recogniser_makes_no_errors(task, text):
    """Units and references are made of the same text, and raw references are cleaned as well."""
    perfect = task.join(None, task.split(None, text))
    for count in (word_errors, character_errors):
        assert count({"a": perfect}, {"a": text}).value == 0
    assert slots(f"to\u00a0B-city\t{text} E-city") == {"city": [perfect]}


def test_units_do_not_depend_on_how_spaces_are_written(tmp_path):
    plain, odd = (
        PhoneRecognition(
            write_toy(tmp_path / name, "PR", values=lambda text, gap=gap: {"transcription": gap.join(["cafe\u0301", *text])})
        )
        for name, gap in (("plain", " "), ("odd", "\u00a0\t"))
    )
    assert plain.units == odd.units and "café" in odd.units


def test_slots(tmp_path):
    assert slots("go B-city new york E-city B-city rome E-city B-day x E-time") == {"city": ["new york", "rome"]}
    assert slots("B-a one B-b two E-b E-a") == {"a": ["one two"]}
    assert type_f1({"a", "b"}, {"b", "c"}) == 0.5 and type_f1([], []) == 1.0 and type_f1(["a"], []) == 0.0
    task = SlotFilling(write_toy(tmp_path / "sf", "SF", values=lambda text: {"transcription": f"to B-city {text} E-city"}))
    assert task.split("a B-city x E-city") == ["a", " ", "B-city", " ", "x", " ", "E-city"]
    assert "B-city" in task.units
    clips = task.clips("test")
    heard = {clip.id: clip.values["transcription"] for clip in clips}
    assert task.measure(heard, "test")["slot_type_f1"].value == 1.0 and task.measure(heard, "test")["slot_value_cer"].value == 0.0
    heard[clips[0].id] = "to"
    found = task.measure(heard, "test")
    assert found["slot_type_f1"].value == pytest.approx(11 / 12) and 0 < found["slot_value_cer"].value < 0.2


def test_keywords_are_selected_by_the_mean_over_classes(tmp_path):
    task = KeywordSpotting(write_toy(tmp_path / "ks", "KS", count=10))
    labels = [clip.values["label"] for clip in task.clips("valid")]
    assert [labels.count(name) for name in "abc"] == [4, 3, 3]
    always = {clip.id: {"label": "a"} for clip in task.clips("valid")}
    assert task.value(always, "valid") == pytest.approx(1 / 3)
