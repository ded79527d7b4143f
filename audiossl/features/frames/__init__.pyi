from .bases import DCT2 as DCT2
from .bases import Haar as Haar
from .bases import RealFourier as RealFourier
from .bounds import frame_bounds as frame_bounds
from .gabor import Gabor as Gabor
from .stft import STFT as STFT
