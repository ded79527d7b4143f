"""Probes and benchmarks: what a representation is worth."""
