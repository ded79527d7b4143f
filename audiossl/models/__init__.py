"""Encoders and the hub that loads and saves them."""

from audiossl.models.zipformer import Zipformer, ZipformerConfig

__all__ = ["Zipformer", "ZipformerConfig"]
