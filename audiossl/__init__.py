"""Self-supervised representations of speech, audio, sensor streams and brain signals.

Importing this module is cheap: names are loaded when they are first used.
"""

import lazy_loader

from audiossl.moved import keep_old_names
from audiossl.version import __version__ as __version__

keep_old_names()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
