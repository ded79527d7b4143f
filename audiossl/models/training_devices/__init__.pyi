from .options import TrainingDevices as TrainingDevices
