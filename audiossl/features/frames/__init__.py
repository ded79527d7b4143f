"""Orthonormal bases and overcomplete frames of signals, after arXiv 2510.22655."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
