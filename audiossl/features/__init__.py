"""Deterministic, batched, differentiable transforms of signals."""
