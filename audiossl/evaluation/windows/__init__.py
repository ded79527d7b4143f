"""Tasks on windows of recordings, split by subject."""
