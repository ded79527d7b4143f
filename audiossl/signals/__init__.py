"""Recordings: open, probe, resample, stream; corpora, splits, batches, fetching."""
