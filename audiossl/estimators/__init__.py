"""Estimators in the manner of scikit-learn: arrays (N, C, T), or recordings, in; one vector each out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
