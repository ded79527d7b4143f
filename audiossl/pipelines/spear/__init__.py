"""Student-teacher pre-training on tokens: the SPEAR pipeline (arXiv 2510.25955)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
