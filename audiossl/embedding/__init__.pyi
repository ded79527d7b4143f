from .embedder import Embedder as Embedder
from .embedder import Embedding as Embedding
from .extract import ExtractSummary as ExtractSummary
from .extract import embed_paths as embed_paths
from .store import EmbeddingStore as EmbeddingStore
from .store import StoreDescription as StoreDescription
from .store_writer import StoreWriter as StoreWriter
