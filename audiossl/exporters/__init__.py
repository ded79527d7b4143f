"""Encoders written for other frameworks."""
