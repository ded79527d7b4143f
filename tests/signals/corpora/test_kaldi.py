"""Kaldi data folders: utterances with what is known of them; commands are named, never run."""

from __future__ import annotations

import pytest
from small_recordings import write_sounds

from audiossl.errors import DataError
from audiossl.signals.corpora.kaldi import read_kaldi
from audiossl.signals.corpora.opening import open_corpus


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_utterances_have_spans_texts_speakers_and_maps(tmp_path):
    (sound,) = write_sounds(tmp_path, ["a.wav"], 1.0)
    folder = write(
        tmp_path / "data",
        wav_scp=[f"r1 {sound}", "r2 ../a.wav"],
        segments=["u1 r1 0.25 0.75", "u2 r1 0.5 -1", "u3 r2 0 0.5"],
        text=["u1 hello  world", "u2"],
        utt2spk=["u1 s1", "u2 s1", "u3 s2"],
        utt2mood=["u3 glad"],
        utt2dur=["u1 0.5"],
        spk2gender=["s1 f"],
    )
    rejected: list = []
    items = open_corpus(folder, rejected=rejected).items
    assert [(one.id, one.start, one.num_samples, one.recording) for one in items] == [
        ("u1", 0.25, 8000, "r1"), ("u2", 0.5, 8000, "r1"), ("u3", 0.0, 8000, "r2")
    ]  # fmt: skip
    assert [(one.text, one.speaker, one.custom) for one in items] == [
        ("hello  world", "s1", {"gender": "f"}), (None, "s1", {"gender": "f"}), (None, "s2", {"mood": "glad"})
    ]  # fmt: skip
    assert rejected == []


def test_commands_and_archives_are_refused_and_never_run(tmp_path):
    (sound,) = write_sounds(tmp_path, ["a.wav"])
    lines = [f"good {sound}", f"bad touch {tmp_path}/ran |", "ark data/raw.ark:17"]
    rejected: list = []
    corpus = open_corpus(write(tmp_path / "data", wav_scp=lines), rejected=rejected)
    assert [one.id for one in corpus] == ["good"] and not (tmp_path / "ran").exists()
    assert "commands of wav.scp are not run" in rejected[0]["reason"] and "a part of an archive" in rejected[1]["reason"]


@pytest.mark.parametrize(
    "files, message",
    [
        ({"wav_scp": ["a x.wav", "a y.wav"]}, "line 2: 'a' comes twice"),
        ({"wav_scp": ["a x.wav"], "segments": ["u a 1"]}, "expected 'utterance recording start end', got 'u a 1'"),
        ({"wav_scp": ["a x.wav"], "segments": ["u a 2 1"]}, "'u' goes from 2 to 1 s"),
    ],
)
def test_lines_of_another_form_are_named(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        read_kaldi(write(tmp_path / "data", **files))


def test_an_utterance_of_a_recording_that_is_not_there_is_left_out(tmp_path):
    _, rejected = read_kaldi(write(tmp_path / "data", wav_scp=["a x.wav"], segments=["u b 0 1"]))
    assert "its recording 'b' is not in wav.scp" in rejected[0]["reason"]
