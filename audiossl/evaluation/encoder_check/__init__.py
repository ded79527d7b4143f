"""Does an encoder keep its promises? One question a check, answered with a number and advice."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
