"""`audiossl.search`: the items of a store that are most like a recording, an item or a vector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from audiossl.embedding.embedder import Embedder, Embedding
    from audiossl.embedding.neighbours import Neighbour
    from audiossl.embedding.store import EmbeddingStore
    from audiossl.models.encoder import Encoder
    from audiossl.table_list import TableList


def search(
    store: str | Path | EmbeddingStore,
    query: str | Path | np.ndarray | Tensor | Embedding,
    *,
    k: int = 10,
    where: str | None = None,
    layer: int | None = None,
    by: Literal["pooled", "frames"] = "pooled",
    index: Literal["faiss"] | None = None,
    model: str | Path | Encoder | nn.Module | None = None,
    device: str | None = None,
    trust_code: bool = False,
) -> TableList[Neighbour]:
    """Find the items of a store that are most similar to a query, by the cosine between vectors, best first; exact.

    Args:
        store: folder of a store, or the store.
        query: id of an item, which is not its own neighbour; path of a recording, which is embedded by the model that made the
            store; path of a `.npy` file with a vector; or a vector or Embedding.
        k: number of neighbours; fewer come where the store has no more.
        where: condition on the items to look among, over id, file, start, end and the columns of the store (`audiossl.where`).
        layer: number of a layer of the store; the last by default.
        by: "pooled" compares the means of items, "frames" every frame: then an item is as similar as its best frame, and the time
            of that frame is in the answer.
        index: "faiss" searches with FAISS (extra `faiss`), pooled vectors only.
        model: model that embeds a recording, where the store does not name it as `audiossl.load` would. Its digest must be that
            of the store.
        device: device to embed on; the CPU by default.
        trust_code: whether a class may be imported that the store names as its model, as `FILE.py:Class`, or that the config of a
            folder names which the store says is its model.

    Raises:
        ConfigError: if k, the layer, a column or the device does not exist, or the store names code that is not trusted.
        DataError: if the query is neither an id nor a file, or its vector is not finite, zero or of another width.
        StoreError: if the store is none, or was made by another model.
        MissingExtraError: if FAISS is asked for and not installed.

    >>> import tempfile, numpy
    >>> from audiossl.embedding import StoreDescription, StoreWriter
    >>> with StoreWriter(folder := tempfile.mkdtemp(), StoreDescription("mine", "", "last", 2, 50.0)) as writer:
    ...     for name, x in (("a", 0.0), ("b", 0.5), ("c", 9.0)):
    ...         writer.add(name, numpy.array([[[1.0, x]]], numpy.float32))
    >>> [(one.id, round(one.similarity, 2)) for one in search(folder, "a", k=2)]
    [('b', 0.89), ('c', 0.11)]
    """
    from audiossl.embedding.store import EmbeddingStore

    opened = store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store)
    if model is not None or (_is_recording(query) and query not in opened and opened.model is None):
        opened.model = _model_of(opened, model, device, trust_code)
    own = opened.vector(query, layer) if where is not None else query
    among = opened if where is None else opened.where(where)
    if where is not None and isinstance(query, str) and query in opened:
        among = among.without(query)
    return among.neighbours(own, k, layer=layer, by=by, index=index)


def _is_recording(query: object) -> bool:
    return isinstance(query, str | Path) and Path(query).suffix != ".npy" and Path(query).is_file()


def _model_of(
    store: EmbeddingStore, model: str | Path | Encoder | nn.Module | None, device: str | None, trust_code: bool
) -> Embedder:
    """The model that a caller or, by a name that imports nothing, the store names."""
    from audiossl.encoder_names import outside_place
    from audiossl.load import load
    from audiossl.verbs.devices import load_on

    name = store.description.model
    if model is None and outside_place(name) is not None and not trust_code:
        raise ConfigError(
            f"the store says that its model is {name}, which is code, and a store does not choose what is imported: pass model "
            "(--model), or trust_code=True (--trust-code) if you know where the store comes from"
        )
    found = model if model is not None else name
    embedder = load(found, trust_code=trust_code) if device is None else load_on(found, device, trust_code=trust_code)
    store.description.require_model(embedder.name, embedder.digest)
    return embedder
