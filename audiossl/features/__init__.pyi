from . import connectivity as connectivity
from . import frames as frames
from .logmel import LogMel as LogMel
from .neighbour_whitening import NeighbourWhitener as NeighbourWhitener
from .neighbour_whitening import WhiteningConfig as WhiteningConfig
from .neighbour_whitening import fit_neighbour_whitening as fit_neighbour_whitening
from .rich_pooling import rich_pooling as rich_pooling
from .window_statistics import window_statistics as window_statistics
