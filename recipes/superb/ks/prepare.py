"""KS: Speech Commands v0.01 and its test set (`--data-root` holds speech_commands_v0.01 and speech_commands_test_set_v0.01)."""

from __future__ import annotations

from pathlib import Path

from audiossl.signals.audio import probe

from ..official import Row, audio_row, corpus_root, write_official

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE, NOISE = "_unknown_", "_silence_", "_background_noise_"


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables: ten words, the others as unknown, seconds of noise as silence; a group is a speaker.

    s3prl draws a second of noise anew each time; here every even second trains and every odd one validates.
    """
    train_set, test_set = "speech_commands_v0.01", "speech_commands_test_set_v0.01"
    needed = [train_set, test_set, *(f"{train_set}/{name}" for name in ("validation_list.txt", "testing_list.txt", NOISE))]
    root = corpus_root(data_root, "Speech Commands v0.01", needed)
    listed = {name: set((root / train_set / f"{name}_list.txt").read_text().split()) for name in ("validation", "testing")}
    tables: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    for path in sorted((root / train_set).glob("[a-z]*/*.wav")):
        name = path.relative_to(root / train_set).as_posix()
        if name not in listed["testing"]:
            tables["valid" if name in listed["validation"] else "train"].append(_row(name, path, path.parent.name))
    for path in sorted((root / train_set / NOISE).glob("*.wav")):
        for second in range(int(probe(path).duration)):
            row = _row(f"{NOISE}/{path.stem}/{second}", path, SILENCE) | {"start_sec": second, "end_sec": second + 1}
            tables["valid" if second % 2 else "train"].append(row)
    for path in sorted((root / test_set).glob("*/*.wav")):
        tables["test"].append(_row(path.relative_to(root / test_set).as_posix(), path, path.parent.name))
    write_official(out / "ks", "KS", **tables)


def _row(id_: str, path: Path, word: str) -> Row:
    label = word if word in (*WORDS, SILENCE) else UNKNOWN
    return audio_row(id_, path, label=label, start_sec="", end_sec="", group=path.stem.partition("_nohash_")[0])
