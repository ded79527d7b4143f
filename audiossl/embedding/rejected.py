"""`rejected.jsonl` of a store that many calls add to: what one call could not use is not forgotten by the next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from audiossl.errors import StoreError
from audiossl.files import read_jsonl

REJECTED = "rejected.jsonl"


def earlier_rejections(folder: Path, seen: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Read the rows of earlier calls about recordings that this call did not see.

    Args:
        folder: folder of the store.
        seen: id and absolute path of each recording of this call; files of one name in two folders share an id. A row without a
            path goes by its id alone.

    Raises:
        StoreError: if the list cannot be read.
    """
    path = folder / REJECTED
    pairs = set(seen)
    ids = {id_ for id_, _ in pairs}
    try:
        rows = read_jsonl(path)
        return [row for row in rows if not ((row["id"], _absolute(row["path"])) in pairs if "path" in row else row["id"] in ids)]
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"expected rows with an id in {path}, could not read them ({error!r}): remove the file") from error


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
