"""Labels that cannot be scored, or cannot fail to be, are refused by task, file and item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.files import write_json, write_jsonl
from audiossl.pipelines.sides import SplitConfig
from audiossl.pipelines.spear.config import TaskConfig
from audiossl.pipelines.spear.label_checks import check_labels
from audiossl.signals.corpora.corpus import Corpus, CorpusItem

IDS = [f"spk{n // 3}/utt_{n:02d}.wav" for n in range(12)]
SIDES: dict[Any, list[str]] = {"train": IDS[:6], "valid": IDS[6:9], "test": IDS[9:]}


@pytest.fixture
def corpus(tmp_path):
    """Twelve recordings of 2 s by four speakers."""
    items = [CorpusItem(id_, tmp_path / "x", 0.0, 2.0, 32000, id_, speaker=id_[:4]) for id_ in IDS]
    return Corpus(items, 16_000, None, tmp_path)


def check(folder: Path, corpus: Corpus, kind: Any, rows: list | None, sides=None, folds: bool = False, **config) -> None:
    if rows is not None:
        write_jsonl(folder / "who.jsonl", rows)
    tasks, by = [TaskConfig("who", kind, folds)], config.pop("split", SplitConfig()).by
    check_labels(folder, corpus, sides or SIDES, tasks, by, written_by="prepare.py", **config)


def clips(label=lambda n: "ab"[n % 2]) -> list:
    return [{"id": id_, "label": label(n)} for n, id_ in enumerate(IDS)]


def parts(segment=lambda n: ["ab"[n % 2], 0.1, 1.9]) -> list:
    return [{"id": id_, "segments": [segment(n), ["c", 1.95, 2.0]]} for n, id_ in enumerate(IDS)]


@pytest.mark.parametrize(
    ("kind", "rows"), [("clips", clips()), ("clips", clips(lambda n: n % 3)), ("frames", parts()), ("segments", parts())]
)
def test_good_labels(tmp_path, corpus, kind, rows):
    check(tmp_path, corpus, kind, rows)
    check(tmp_path, corpus, kind, rows[:4] + rows[6:])  # not every item needs one


def test_aligners_round_up(tmp_path, corpus):
    rows = parts()
    rows[0]["segments"][1][2] = 2.4
    check(tmp_path, corpus, "frames", rows)


BAD_CLIPS = {
    "ids with a slip": ([{**row, "id": row["id"] + "x"} for row in clips()], r"12 of 12 .*utt_00\.wavx' \(did you mean"),
    "one id": ([*clips()[1:], {"id": "spk0/utt_0.wav", "label": "a"}], "1 of 12 rows name ids .*'spk0/utt_0.wav'"),
    "twice": ([*clips(), clips()[0]], "1 ids have several rows, such as 'spk0/utt_00.wav'"),
    "nothing": ([], "it holds no rows"),
    "one class": (clips(lambda n: "x"), "all labels of 12 items are 'x'"),
    "one class in training": (clips(lambda n: "x" if n < 9 else "y"), "all labels of the training side are 'x'"),
    "speakers by speaker": (clips(lambda n: IDS[n][:4]), r"no label of the test side \('spk3'\) occurs in the training side"),
    "null": (clips(lambda n: None), "'spk0/utt_00.wav': expected a label that is text or a whole number, got None"),
    "empty": (clips(lambda n: "a" * (n % 2)), "'spk0/utt_00.wav': expected a label .*got ''"),
    "a list": (clips(lambda n: ["a"]), r"expected a label .*got \['a'\]"),
    "mixed": (clips(lambda n: n if n % 2 else str(n)), "some labels are text and others numbers"),
    "another column": ([{"id": row["id"], "lable": "a"} for row in clips()], "row 1 .*expected rows such as"),
    "numbers for ids": ([{"id": 3, "label": "a"}], "row 1 .*expected rows such as"),
}  # fmt: skip
BAD_SEGMENTS = {
    "milliseconds": (lambda n: ["a", 100, 1900], r"\['a', 100, 1900\] lies outside of the recording, which lasts 2 s"),
    "after the end": (lambda n: ["a", 0.1, 2.6], "lies outside of the recording"),
    "before the start": (lambda n: ["a", -0.1, 1], "expected a segment that ends after it starts"),
    "backwards": (lambda n: ["a", 1, 0.5], "expected a segment that ends after it starts"),
    "no end": (lambda n: ["a", 1], r"expected segments \[label, start, end\], got \['a', 1\]"),
    "times as text": (lambda n: ["a", "0", "1"], "ends after it starts, in seconds, got"),
    "another order": (lambda n: [0.1, 1.9, "a"], "expected a label that is text"),
    "overlapping": (lambda n: ["a", 0.1, 1.99], "do not overlap"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_CLIPS)
def test_bad_clips(tmp_path, corpus, case):
    rows, said = BAD_CLIPS[case]
    with pytest.raises(DataError, match=rf"who\.jsonl of the task 'who': .*{said}"):
        check(tmp_path, corpus, "clips", rows)


@pytest.mark.parametrize("case", BAD_SEGMENTS)
@pytest.mark.parametrize("kind", ["frames", "segments"])
def test_bad_segments(tmp_path, corpus, case, kind):
    if (case, kind) == ("overlapping", "segments"):
        pytest.skip("words and events may overlap: each is read from its own stretch")
    segment, said = BAD_SEGMENTS[case]
    with pytest.raises(DataError, match=rf"who\.jsonl of the task 'who': .*{said}"):
        check(tmp_path, corpus, kind, parts(segment))


def test_one_class_of_frames(tmp_path, corpus):
    with pytest.raises(DataError, match="'who': all labels of 12 items are 'x'"):
        check(tmp_path, corpus, "frames", [{"id": id_, "segments": [["x", 0.1, 1.2]]} for id_ in IDS])


def test_a_test_side_of_one_class_is_said(tmp_path, corpus, capsys):
    check(tmp_path, corpus, "clips", clips(lambda n: "a" if n > 8 else "ab"[n % 2]))
    assert "task 'who': all labels of the test side are 'a'" in capsys.readouterr().err


def test_files_that_are_missing_or_no_json(tmp_path, corpus):
    with pytest.raises(DataError, match=r"prepare\.py wrote no who\.jsonl, which the task 'who'"):
        check(tmp_path, corpus, "clips", None)
    (tmp_path / "who.jsonl").write_text("id,label\n")
    with pytest.raises(DataError, match=r"who\.jsonl of the task 'who': .*holds no JSON lines such as"):
        check(tmp_path, corpus, "clips", None)


def test_splits_of_a_task(tmp_path, corpus):
    own = {"train": IDS[::2], "valid": IDS[1::4], "test": IDS[3::4]}
    write_json(tmp_path / "who.splits.json", own)
    check(tmp_path, corpus, "clips", clips(lambda n: IDS[n][:4] if n % 4 else "z"), split=SplitConfig(by="recording"))
    write_json(tmp_path / "who.splits.json", {**own, "test": ["else"]})
    with pytest.raises(DataError, match=r"'who': who\.splits\.json: 1 ids are not in the corpus, such as 'else'"):
        check(tmp_path, corpus, "clips", clips())
    write_json(tmp_path / "who.splits.json", {"train": IDS})
    with pytest.raises(DataError, match=r"who\.splits\.json: expected ids under train, valid, test"):
        check(tmp_path, corpus, "clips", clips())


def test_folds_need_groups_and_a_limit_is_named(tmp_path, corpus):
    check(tmp_path, corpus, "clips", clips(), folds=True, split=SplitConfig(by="speaker"))
    with pytest.raises(DataError, match=r"leaving one group out needs at least 3 groups, who has 1. limit=5 left items out"):
        check(tmp_path, corpus, "clips", clips()[:3], folds=True, split=SplitConfig(by="speaker"), limit=5)
    with pytest.raises(DataError, match=r"split.by=side: 'spk0/utt_00.wav' has no such field; items have speaker, recording"):
        check(tmp_path, corpus, "clips", clips(), split=SplitConfig(by="side", given="side"))


@given(labels=st.lists(st.sampled_from("abc"), min_size=12, max_size=12))
def test_what_is_refused_is_exactly_what_tells_nothing(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("labels")
    items = [CorpusItem(id_, folder / "x", 0.0, 2.0, 32000, id_) for id_ in IDS]
    train, test = set(labels[:6]), set(labels[9:])
    try:
        check(folder, Corpus(items, 16_000, None, folder), "clips", clips(lambda n: labels[n]))
        refused = False
    except DataError:
        refused = True
    assert refused == (len(train) < 2 or not train & test)


@pytest.mark.parametrize("kind", ["frames", "segments"])
def test_segments_in_another_unit_hold_no_frame(tmp_path, corpus, kind):
    rows = [{"id": id_, "segments": [["ab"[n % 2], 0.0001, 0.0019]]} for n, id_ in enumerate(IDS)]
    with pytest.raises(DataError, match=r"the longest segment lasts 0\.0018 s, less than a frame of any model"):
        check(tmp_path, corpus, kind, rows)


def test_a_file_that_is_no_jsonl_is_named_once(tmp_path, corpus):
    (tmp_path / "who.jsonl").write_text("id,label\na,b\n")
    with pytest.raises(DataError, match=r"who\.jsonl of the task 'who': holds no JSON lines such as"):
        check(tmp_path, corpus, "clips", None)
