from . import connectivity as connectivity
from . import frames as frames
from .logmel import LogMel as LogMel
from .window_statistics import window_statistics as window_statistics
