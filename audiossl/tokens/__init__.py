"""Quantisers, their training and index search, and the packed token store."""

from audiossl.tokens.alignment import align_tokens
from audiossl.tokens.contract import Quantizer
from audiossl.tokens.diagnostics import QuantiserDiagnostics, diagnose
from audiossl.tokens.factory import fit_quantiser, load_quantiser
from audiossl.tokens.finite_scalar import FiniteScalarQuantizer
from audiossl.tokens.kmeans import KMeansQuantizer
from audiossl.tokens.quantiser import MultiCodebookQuantizer
from audiossl.tokens.residual import ResidualQuantizer
from audiossl.tokens.store import TokenStore
from audiossl.tokens.store_writer import TokenWriter

__all__ = [
    "FiniteScalarQuantizer",
    "KMeansQuantizer",
    "MultiCodebookQuantizer",
    "QuantiserDiagnostics",
    "Quantizer",
    "ResidualQuantizer",
    "TokenStore",
    "TokenWriter",
    "align_tokens",
    "diagnose",
    "fit_quantiser",
    "load_quantiser",
]
