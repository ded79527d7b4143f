"""Functional connectivity of regional series: estimators, sliding windows, graphs; batched and on any device."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
