"""The version, where every room can read it without a circle through the face."""

__version__ = "0.1.0"
