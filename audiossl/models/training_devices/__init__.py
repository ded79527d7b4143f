"""What the Zipformer does in training only (arXiv 2310.11230, section 3): no parameters, and absent in evaluation.

`attach.py` puts the devices on a model, `layer.py` and `frontend.py` say where each one acts; the other files are a device each.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
