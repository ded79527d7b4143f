"""Banks of features of windows that nothing trains: fixed functions, or random ones that are drawn once.

`bank.py` says what a bank is, `table.py` which there are, `whitened.py` whitens one by neighbours; other files are a bank each.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
