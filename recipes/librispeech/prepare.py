"""LibriSpeech (openslr.org/12, CC BY 4.0): read English, about 960 h for training, in its official folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.recipe import console
from audiossl.signals.corpus import Item, build_corpus

# Utterances of each official part.
PARTS = {
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Describe the parts that lie in `data_root/LibriSpeech` (the FLAC files stay where they are); `limit` is per part.

    Items have their text, their speaker and the custom field `part`, such as `train-clean-100`.

    Raises:
        ConfigError: if `data_root` is not the folder that holds `LibriSpeech`.
        DataError: if an utterance has no transcript.
    """
    root = (data_root or Path()) / "LibriSpeech"
    found = [part for part in PARTS if (root / part).is_dir()]
    if not found:
        raise ConfigError(
            f"expected LibriSpeech/train-clean-100 and so on in data_root={data_root}, found none. Unpack the archives of "
            "openslr.org/12 into one folder and add data_root=FOLDER."
        )
    items = [item for part in found for item in _items(root / part, limit)]
    build_corpus(items, out, transcode=False)


def _items(folder: Path, limit: int | None) -> Iterator[Item]:
    paths = sorted(folder.glob("*/*/*.flac"))
    if len(paths) != PARTS[folder.name]:
        console.print(f"[yellow]{folder} holds {len(paths)} of {PARTS[folder.name]} utterances[/yellow]")
    texts: dict[str, str] = {}
    for path in paths[:limit]:
        speaker, chapter = path.parts[-3:-1]
        if path.stem not in texts:
            texts = _read_transcripts(path.parent / f"{speaker}-{chapter}.trans.txt")
        if path.stem not in texts:
            raise DataError(f"{path} has no line in {speaker}-{chapter}.trans.txt beside it. Unpack the archive again.")
        yield Item(path.stem, path, texts[path.stem], speaker, "en", {"part": folder.name, "chapter": chapter})


def _read_transcripts(path: Path) -> dict[str, str]:
    """Lines `84-121123-0000 GO DO YOU HEAR`."""
    if not path.is_file():
        raise DataError(f"{path} is missing. Unpack the archive again.")
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {line[0]: line[1] for line in lines if len(line) == 2}
