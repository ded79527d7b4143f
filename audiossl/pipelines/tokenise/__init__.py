"""Teachers' frames into tokens: fit a quantiser, encode a corpus, measure the tokens."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
