"""Tokens as a custom array of lhotse cuts: `cut.load_tokens()` reads the codes of the cut's span from the token store.

Importing this module teaches lhotse the storage type; a process that reads a manifest with tokens must import it first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt
from lhotse import CutSet
from lhotse.array import Array, TemporalArray
from lhotse.cut.data import DataCut
from lhotse.features.io import FeaturesReader, register_reader

from audiossl.errors import DataError, StoreError
from audiossl.tokens.store import STORE_FILE, TokenStore

STORAGE_TYPE = "audiossl_tokens"


@register_reader
class TokenReader(FeaturesReader):
    """Reads codes for lhotse; the path is the folder of a token store, the key a cut id in it.

    A store stays open between reads until its folder is written again.
    """

    name = STORAGE_TYPE  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]  # lhotse's readers do so

    def __init__(self, storage_path: str | Path) -> None:
        self.folder = Path(storage_path)

    def read(self, key: str, left_offset_frames: int = 0, right_offset_frames: int | None = None) -> UInt[np.ndarray, "T N"]:
        """Read the codes of the token frames [left, right) of a cut, fewer where its tokens end before.

        Raises:
            StoreError: if the store is missing or damaged, or lacks the cut.
        """
        try:
            written = (self.folder / STORE_FILE).stat().st_mtime_ns
        except OSError as error:
            raise StoreError(f"{self.folder} is not a whole token store: {STORE_FILE} is missing ({error.strerror})") from error
        return _opened(self.folder, written).frames(key, left_offset_frames, right_offset_frames).numpy()


def token_array(store: TokenStore, cut_id: str, start: float = 0.0) -> TemporalArray:
    """Describe the tokens of a cut to lhotse.

    Args:
        store: store that holds the tokens; its path is noted as it was opened, so open it by an absolute one if cuts are to move.
        cut_id: id of the cut.
        start: start of the cut in its recording in seconds, since lhotse asks by the time of the recording.

    Raises:
        StoreError: if the cut is not in the store.
    """
    shape = [store.num_frames(cut_id), store.num_codebooks]
    array = Array(storage_type=STORAGE_TYPE, storage_path=str(store.folder), storage_key=cut_id, shape=shape)
    return TemporalArray(array=array, temporal_dim=0, frame_shift=1 / store.frame_rate, start=start)


def attach_tokens(cuts: Iterable[object], store: TokenStore, name: str = "tokens") -> Any:  # a CutSet: beartype refuses its bases
    """Return a `lhotse.CutSet` whose cuts carry their tokens as a custom field.

    `cut.load_tokens()` then follows the cut when it is truncated or cut into windows.

    Args:
        cuts: a `lhotse.CutSet` as it was tokenised; its cuts are found in the store by their ids. They are not changed, and the
            result is held in memory.
        store: store made from these cuts.
        name: name of the field; lhotse makes `load_{name}` of it.

    Raises:
        DataError: if cuts have no tokens, or are mixtures or padding, which have no start in a recording.
    """
    attached, missing, kinds = [], [], Counter[str]()
    for cut in cuts:
        if not isinstance(cut, DataCut):
            kinds[type(cut).__name__] += 1
        elif cut.id not in store:
            missing.append(cut.id)
        else:
            attached.append(cut.with_custom(name, token_array(store, cut.id, cut.start)))
    if kinds:
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        raise DataError(f"expected cuts of one recording each, got {found}; attach tokens before cuts are mixed or padded")
    if missing:
        first = ", ".join(f"'{cut_id}'" for cut_id in missing[:3])
        raise DataError(
            f"{len(missing)} of {len(missing) + len(attached)} cuts have no tokens in {store.folder}, such as {first}; "
            "tokenise them, or filter the cuts by `cut.id in store`"
        )
    return CutSet.from_cuts(attached)


@lru_cache(maxsize=8)
def _opened(folder: Path, written: int) -> TokenStore:
    """Open a store once for each time that it was written, in ns."""
    return TokenStore.open(folder)
