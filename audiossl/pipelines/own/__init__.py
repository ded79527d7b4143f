"""Recordings of one's own as the source of a run: no script, and no recipe but a name and a few keys."""
