"""Extraction of embeddings from signals of any length, and the store that keeps them."""

from __future__ import annotations

from audiossl.embedding.embedder import Embedder, Embedding
from audiossl.embedding.extract import ExtractSummary, embed_paths
from audiossl.embedding.store import EmbeddingStore, StoreDescription
from audiossl.embedding.store_writer import StoreWriter

__all__ = ["Embedder", "Embedding", "EmbeddingStore", "ExtractSummary", "StoreDescription", "StoreWriter", "embed_paths"]
