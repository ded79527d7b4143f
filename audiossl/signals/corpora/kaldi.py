"""Kaldi data folders as clips: wav.scp with segments, text, utt2spk and other maps. Commands in wav.scp are never run."""

from __future__ import annotations

import re
from pathlib import Path

from audiossl.errors import DataError
from audiossl.files import path_text
from audiossl.signals.corpora.clip_tables import Clip, find_path
from audiossl.where_values import Plain

SCP = "wav.scp"
LEFT_OUT = frozenset({"utt2dur", "utt2num_frames", "utt2uniq"})  # measured, or copies of ids
NAMES = {"text": "text", "utt2spk": "speaker", "utt2lang": "language"}
_IN_ARCHIVE = re.compile(r":\d+$")
Row = dict[str, str]


def is_kaldi(folder: Path) -> bool:
    """Tell whether a folder is a Kaldi data folder."""
    return (folder / SCP).is_file()


def read_kaldi(folder: Path) -> tuple[list[Clip], list[Row]]:
    """Read the utterances of a Kaldi data folder, and what cannot be taken, for `rejected.jsonl`.

    Without `segments` each recording of wav.scp is an utterance. `text` and `utt2spk` become text and speaker, any other
    `utt2NAME` and `spk2NAME` a field NAME; `recording` is the id in wav.scp. A relative path starts from the folder if the file
    is there, else from the working folder, as in Kaldi.

    Raises:
        DataError: if a file cannot be read, has a line of another form, or names no recording.
    """
    files: dict[str, Path] = {}
    unusable: dict[str, str] = {}
    for id_, written in _read_map(folder / SCP).items():
        if written.endswith("|"):
            unusable[id_] = f"the output of a command, and commands of {SCP} are not run: write its sound to a file"
        elif _IN_ARCHIVE.search(written) and not Path(written).exists():
            unusable[id_] = f"a part of an archive of Kaldi ({written}): write its sound to a file"
        elif not written:
            unusable[id_] = f"{SCP} has no path for it"
        else:
            files[id_] = find_path(written, folder)
    spans = _read_segments(folder / "segments") if (folder / "segments").is_file() else dict.fromkeys(files | unusable)
    fields = _read_fields(folder)
    clips, rejected = [], []
    for utterance, span in spans.items():
        recording, start, end = span or (utterance, 0.0, None)
        if recording not in files:
            why = unusable.get(recording) or f"its recording '{recording}' is not in {SCP}"
            rejected.append({"id": utterance, "path": path_text(folder / SCP), "reason": f"{recording}: {why}"})
            continue
        clips.append(Clip(utterance, files[recording], start, end, {**fields.get(utterance, {}), "recording": recording}))
    return clips, rejected


def _read_map(path: Path) -> dict[str, str]:
    """Lines `KEY rest of the line`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        key, _, rest = line.strip().partition(" ") if "\t" not in line else line.strip().partition("\t")
        if key and key in found:
            raise DataError(f"{path}, line {number}: '{key}' comes twice; ids must be unique, see utils/fix_data_dir.sh of Kaldi")
        if key:
            found[key] = rest.strip()
    return found


def _read_segments(path: Path) -> dict[str, tuple[str, float, float | None]]:
    found: dict[str, tuple[str, float, float | None]] = {}
    for utterance, line in _read_map(path).items():
        parts = line.split()
        try:
            recording, start, end = parts[0], float(parts[1]), float(parts[2])
        except (IndexError, ValueError):
            raise DataError(f"{path}: expected 'utterance recording start end', got '{utterance} {line}'") from None
        if start < 0 or (end != -1 and end <= start):
            raise DataError(f"{path}: '{utterance}' goes from {start:g} to {end:g} s; expected an end after the start")
        found[utterance] = recording, start, None if end == -1 else end  # -1: to the end of the recording
    return found


def _read_fields(folder: Path) -> dict[str, dict[str, Plain]]:
    """Fields by utterance."""
    found: dict[str, dict[str, Plain]] = {}
    for path in [folder / "text", *sorted(folder.glob("utt2*"))]:
        if not path.is_file() or path.name in LEFT_OUT or "." in path.name:
            continue
        name = NAMES.get(path.name) or path.name.removeprefix("utt2")
        for utterance, value in _read_map(path).items():
            if value:
                found.setdefault(utterance, {})[name] = value
    for path in sorted(folder.glob("spk2*")):
        if path.is_file() and path.name != "spk2utt" and "." not in path.name:
            of_speaker = _read_map(path)
            for fields in found.values():
                if value := of_speaker.get(str(fields.get("speaker", ""))):
                    fields.setdefault(path.name.removeprefix("spk2"), value)
    return found
