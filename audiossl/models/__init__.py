"""Encoders and the hub that loads and saves them."""
