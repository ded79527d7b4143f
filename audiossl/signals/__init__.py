"""Recordings and corpora: of audio, of sensors, of brains. Prepare scripts import from here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
