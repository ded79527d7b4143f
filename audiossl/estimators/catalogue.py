"""The estimators on arrays, by the name of their class."""

from __future__ import annotations

from audiossl.kinds import Kind

_HERE = "audiossl.estimators"

ESTIMATORS: dict[str, Kind] = {
    "FrameProjection": Kind(f"{_HERE}.frame_projection:FrameProjection", "views in bases and frames agree, no augmentation"),
    "SimCLR": Kind(f"{_HERE}.two_views:SimCLR", "two augmented views find each other (NT-Xent)"),
    "DCL": Kind(f"{_HERE}.two_views:DCL", "SimCLR without the positive in the denominator"),
    "BYOL": Kind(f"{_HERE}.two_views:BYOL", "predict a slowly moving copy of oneself"),
    "VICReg": Kind(f"{_HERE}.two_views:VICReg", "invariance, variance, covariance"),
    "BarlowTwins": Kind(f"{_HERE}.two_views:BarlowTwins", "redundancy reduction between two views"),
    "NNCLR": Kind(f"{_HERE}.two_views:NNCLR", "nearest neighbours of other people as positives"),
    "TSTCC": Kind(f"{_HERE}.time_contrast:TSTCC", "the past of one view predicts the future of the other"),
    "TS2Vec": Kind(f"{_HERE}.time_contrast:TS2Vec", "overlapping crops agree frame by frame, at all scales of time"),
    "RandomEncoder": Kind(f"{_HERE}.window_encoder:RandomEncoder", "the network of the objectives as it is drawn, a control"),
    "MiniRocket": Kind(f"{_HERE}.minirocket:MiniRocket", "aeon's fixed convolutions, about 10,000 features"),
    "WindowStatistics": Kind(f"{_HERE}.window_statistics:WindowStatistics", "hand-made moments, correlations and spectra"),
    "NeighbourWhitening": Kind(
        f"{_HERE}.neighbour_whitening:NeighbourWhitening", "fixed features, whitened by differences of neighbouring windows"
    ),
    "ConnectivityMAE": Kind(f"{_HERE}.connectivity_mae:ConnectivityMAE", "masked auto-encoding of regional BOLD series"),
}
