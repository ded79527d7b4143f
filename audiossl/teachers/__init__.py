"""Frozen models that turn a signal into continuous frames."""
