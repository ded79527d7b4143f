"""Encoders written for other frameworks: one table of exports, one file each."""

from audiossl.exporters.table import EXPORTS, Export

__all__ = ["EXPORTS", "Export"]
