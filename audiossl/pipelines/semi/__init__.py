"""Learning from few labels: semi-supervised methods on windows, under one protocol."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
