"""Measurements of frozen representations: probes, nearest neighbours, layer weights, confidence intervals, results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
