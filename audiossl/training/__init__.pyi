from .averaging import load_average as load_average
from .config import TrainingConfig as TrainingConfig
from .devices import choose_device as choose_device
from .eden import Eden as Eden
from .fit import FitResult as FitResult
from .fit import fit as fit
from .health import rankme as rankme
from .scaled_adam import ScaledAdam as ScaledAdam
