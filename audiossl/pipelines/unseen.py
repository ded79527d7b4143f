"""Which test items an encoder was trained on: asked of its own folder, of the run around it, and of the runs it came from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audiossl.errors import AudiosslError, ConfigError
from audiossl.files import parse_json, read_json, whole_file
from audiossl.models.run_folder import encoder_folder, local_path
from audiossl.pipelines.tokenise.fitted_to import Names, same_files
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.corpora.same_sound import base_id

TRAINED_ON = "trained_on.json.gz"  # beside the weights of a student, so that a copy of these is known as well
SPLITS = Path("corpus", "splits.json")


def check_unseen(test: Sequence[str], encoder: str, corpus: Corpus | None = None) -> None:
    """Refuse an encoder that was trained on test items, whatever name, link or copy of it is given.

    The training side is read from the folder of the encoder, or from the run that this lies in; of a fine-tuned encoder also from
    the run that it came from. Ids are equal where one of them has the name of its source in front (`librispeech/c` and `c`),
    and where they differ by the mark of a copy with another speed (`c_sp0.9`); items are where their files are.

    Args:
        test: ids of the test items.
        encoder: as `audiossl.load` takes it.
        corpus: of the test items, to compare their files.

    Raises:
        ConfigError: if it saw any.
    """
    for place, train, items in _trained_on(encoder):
        names = Names(base_id(id_) for id_ in train)
        seen = {id_ for id_ in test if names.know(base_id(id_))}
        if corpus is not None and items is not None:
            wanted = set(test) - seen
            mine = [Recording(item.id, item.path, item) for item in corpus.items if item.id in wanted]
            whole, known = set(train), []
            if mine:
                known = [Recording(item.id, item.path, item) for item in items.items if item.id in whole]
            seen |= same_files(mine, known)
        if seen:
            raise ConfigError(
                f"{len(seen)} of {len(test)} test items, such as '{min(seen)}', are in the training side of {place}: the result "
                "would be too good. Use the seed and the split that the encoder was pre-trained with."
            )


def trained_ids(encoder: str) -> set[str]:
    """Ids of what an encoder was trained on, and those it came from, as far as that is written anywhere."""
    return {id_ for _, ids, _ in _trained_on(encoder) for id_ in ids}


def write_trained_on(folder: Path, ids: Iterable[str]) -> None:
    """Write beside an encoder's weights which items it was trained on."""
    with (
        whole_file(folder / TRAINED_ON) as partial,
        partial.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as out,
    ):
        out.write(json.dumps(sorted(ids), ensure_ascii=False).encode())


def _trained_on(encoder: str) -> Iterator[tuple[str, list[str], Corpus | None]]:
    """Where it is written, the ids of the training side, and the corpus that has them: of an encoder and those it came from."""
    asked: set[Path] = set()
    waiting = [encoder]
    while waiting:
        name = waiting.pop()
        path = local_path(name)
        if path is None or path.resolve() in asked:
            continue
        asked.add(path.resolve())
        folder = encoder_folder(path)
        if (folder / TRAINED_ON).is_file():
            yield str(folder), _read_ids(folder / TRAINED_ON), None
        if run := _run_of(folder):
            yield name, list(read_json(run / SPLITS)["train"]), _corpus_of(run)
            if earlier := _came_from(run):
                waiting.append(earlier)


def _run_of(folder: Path) -> Path | None:
    """The nearest folder around an encoder's with the sides of a corpus; links are followed where the path itself has none."""
    for start in (folder.absolute(), folder.resolve()):
        for place in (start, *start.parents):
            if (place / SPLITS).is_file():
                return place
    return None


def _corpus_of(run: Path) -> Corpus | None:
    try:
        return Corpus.open(run / "corpus" / "corpus")
    except AudiosslError:  # a run that was cleared of its audio; ids are left
        return None


def _came_from(run: Path) -> str | None:
    """The encoder that a run of fine-tuning began with."""
    try:
        name = read_json(run / "recipe.json")["config"].get("encoder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return name if isinstance(name, str) else None


def _read_ids(path: Path) -> list[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [str(id_) for id_ in parse_json(file.read())]
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} does not say what the encoder was trained on ({error!r}): copy it again") from error
