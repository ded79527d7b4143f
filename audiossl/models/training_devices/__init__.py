"""What the Zipformer does in training only (arXiv 2310.11230, section 3): no parameters, and absent in evaluation.

`attach.py` puts the devices on a model, `layer.py` and `frontend.py` say where each one acts; the other files are a device each.
"""

from audiossl.models.training_devices.options import TrainingDevices

__all__ = ["TrainingDevices"]
