"""The banks of features, by name."""

from __future__ import annotations

from collections.abc import Mapping

from audiossl.kinds import Kind, find_kind
from audiossl.models.banks.bank import FeatureBank
from audiossl.options import read_options

_HERE = "audiossl.models.banks"

BANKS: dict[str, Kind] = {
    "minirocket": Kind(f"{_HERE}.minirocket:MiniRocketBank", "aeon's MiniRocket, about 10,000 features (arXiv 2012.08791)"),
    "kernels": Kind(f"{_HERE}.kernels:KernelBank", "the same kernels in torch, with draws of their own; needs no aeon"),
    "gabor": Kind(f"{_HERE}.gabor:GaborBank", "the Gabor view's network as it is drawn, its last plane richly pooled"),
    "statistics": Kind(f"{_HERE}.statistics:StatisticsBank", "hand-made moments, correlations and spectra"),
}
NEEDS = ("Options", "fit", "forward", "build")  # of a bank from outside the package


def make_bank(
    kind: str, options: Mapping[str, object] | None = None, *, table: Mapping[str, Kind] = BANKS, place: str = "options"
) -> FeatureBank:
    """Make a bank that is not fitted yet.

    Args:
        kind: name of the table, or `my_module:MyBank` from outside.
        options: fields of its `Options`.
        table: table of the names.
        place: where the options are written, for messages.

    Raises:
        ConfigError: if there is no such bank, or it has other options.

    >>> make_bank("statistics", {"num_bins": 4}).options
    StatisticsOptions(num_bins=4)
    """
    found = find_kind(kind, table, "bank of features", NEEDS)
    return found(read_options(found.Options, options or {}, place))
