"""Extraction of embeddings from signals of any length, and the store that keeps them."""
