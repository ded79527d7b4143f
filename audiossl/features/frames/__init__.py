"""Orthonormal bases and overcomplete frames of signals, after arXiv 2510.22655."""

from audiossl.features.frames.bases import DCT2, Haar, RealFourier
from audiossl.features.frames.bounds import frame_bounds
from audiossl.features.frames.gabor import Gabor
from audiossl.features.frames.stft import STFT

__all__ = ["DCT2", "STFT", "Gabor", "Haar", "RealFourier", "frame_bounds"]
