"""Speech and sounds from Debian packages, for one model of both: 12 hours to pre-train on, three probes that it never hears.

Each item has the custom fields `source`, `domain` ("speech" or "audio"), `group` (whatever must stay together) and `side`:
"train" and "valid" for pre-training, "probe" for what is kept from it. festvox-ru and hydrogen-drumkits are probes as a whole,
of Flight of the Amazon Queen the test dialogues. Licences differ and are stated in the files beside this one; most are those of
games or GPL, so recordings stay in the run's folder. About 0.7 GB of packages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from audiossl.files import write_json, write_jsonl
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus

from ..asterisk.prepare import LANGUAGES, prompts
from . import amazon_queen, drumkits, festvox_ru, fillets, sounds
from .sides import thin, valid_groups

MIN_SECONDS = 0.1


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Fetch all packages and build the corpus.

    `limit` keeps about so many items per source, and leaves Wesnoth, Fish Fillets and all prompts but the English away: what
    remains to fetch are five packages, 0.4 GB, since the probes need them.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".clips-", dir=out.parent) as scratch:
        items = [*_speech(data_root, limit, Path(scratch)), *_audio(data_root, limit)]
        build_corpus(items, out, min_seconds=MIN_SECONDS)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """Write the labels of the three probes, each with a split of its own, and the folds of the drums."""
    phones, phone_splits = festvox_ru.labels(corpus, data_root)
    characters, character_splits = amazon_queen.labels(corpus)
    drums, drum_splits, folds = drumkits.labels(corpus)
    write_json(out / "drums.folds.json", folds)
    for name, rows, splits in (
        ("frame_phones", phones, phone_splits), ("character", characters, character_splits), ("drums", drums, drum_splits),
    ):  # fmt: skip
        write_jsonl(out / f"{name}.jsonl", rows)
        write_json(out / f"{name}.splits.json", splits)


def _speech(data_root: Path | None, limit: int | None, scratch: Path) -> Iterator[Item]:
    yield from _asterisk(data_root, limit)
    yield from amazon_queen.items(data_root, limit, scratch)
    for language in () if limit else fillets.CLIPS:
        yield from fillets.speech(language, data_root, limit)
    yield from festvox_ru.items(data_root, limit)


def _audio(data_root: Path | None, limit: int | None) -> Iterator[Item]:
    for package in ("sonic-pi-samples",) if limit else sounds.SOURCES:
        yield from sounds.items(package, data_root, limit)
    if not limit:
        yield from fillets.sounds(data_root, limit)
    yield from drumkits.items(data_root, limit)


def _asterisk(data_root: Path | None, limit: int | None) -> list[Item]:
    """The prompts of all languages; a prompt name is a group, so that no language tells what another is validated on."""
    found = [item for language in (("en",) if limit else LANGUAGES) for item in prompts(language, data_root, None)]
    valid = valid_groups(str(item.custom["prompt"]) for item in found)
    items = []
    for item in found:
        prompt = item.custom["prompt"]
        custom = {
            "source": "asterisk",
            "domain": "speech",
            "side": "valid" if prompt in valid else "train",
            "group": f"asterisk/{prompt}",
        }
        items.append(replace(item, id=f"asterisk/{item.id}", custom=custom))
    return thin(items, limit)
