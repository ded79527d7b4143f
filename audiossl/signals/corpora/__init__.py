"""Corpora of recordings: from folders, tables, manifests and shards."""
