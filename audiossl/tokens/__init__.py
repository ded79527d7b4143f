"""Quantisers, their training and index search, and the packed token store."""
