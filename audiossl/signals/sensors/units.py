"""Units of sensor channels: which spellings are one unit, and how values of one become values of another."""

from __future__ import annotations

import math
from typing import NamedTuple


class Conversion(NamedTuple):
    """Values of one unit times `factor` plus `offset` are values of another."""

    factor: float = 1.0
    offset: float = 0.0


# By quantity: each unit as factor and offset that lead to the first one of its row.
_QUANTITIES: tuple[dict[str, Conversion], ...] = (
    {"m/s^2": Conversion(), "g": Conversion(9.80665), "mg": Conversion(9.80665e-3), "cm/s^2": Conversion(1e-2)},
    {
        "rad/s": Conversion(), "mrad/s": Conversion(1e-3), "deg/s": Conversion(math.pi / 180),
        "mdeg/s": Conversion(math.pi / 180e3), "rpm": Conversion(math.pi / 30),
    },
    {"rad": Conversion(), "deg": Conversion(math.pi / 180)},
    {"V": Conversion(), "mV": Conversion(1e-3), "uV": Conversion(1e-6), "nV": Conversion(1e-9)},
    {"A": Conversion(), "mA": Conversion(1e-3), "uA": Conversion(1e-6), "nA": Conversion(1e-9)},
    {"S": Conversion(), "mS": Conversion(1e-3), "uS": Conversion(1e-6)},
    {
        "T": Conversion(), "mT": Conversion(1e-3), "uT": Conversion(1e-6), "nT": Conversion(1e-9), "G": Conversion(1e-4),
        "mG": Conversion(1e-7),
    },
    {"K": Conversion(), "degC": Conversion(1.0, 273.15), "degF": Conversion(5 / 9, 273.15 - 32 * 5 / 9)},
    {
        "Pa": Conversion(), "hPa": Conversion(100.0), "kPa": Conversion(1e3), "mbar": Conversion(100.0),
        "bar": Conversion(1e5), "mmHg": Conversion(133.322387415), "cmH2O": Conversion(98.0665),
    },
    {"m": Conversion(), "cm": Conversion(1e-2), "mm": Conversion(1e-3), "um": Conversion(1e-6)},
    {"m/s": Conversion(), "cm/s": Conversion(1e-2), "km/h": Conversion(1 / 3.6)},
)  # fmt: skip
_SPELLINGS = {
    "m/s2": "m/s^2", "m/s**2": "m/s^2", "ms-2": "m/s^2", "ms^-2": "m/s^2", "m*s^-2": "m/s^2", "m.s-2": "m/s^2", "m/s/s": "m/s^2",
    "cm/s2": "cm/s^2", "dps": "deg/s", "°/s": "deg/s", "degree/s": "deg/s", "degrees/s": "deg/s", "mdps": "mdeg/s",
    "°": "deg", "degree": "deg", "degrees": "deg", "°C": "degC", "DegC": "degC", "°F": "degF", "DegF": "degF",
    "microvolt": "uV", "millivolt": "mV", "volt": "V", "Gauss": "G", "gauss": "G",
}  # fmt: skip


def plain_unit(unit: str) -> str:
    """One spelling for each unit: `m/s²` and `m/s2` are `m/s^2`, `µV` is `uV`; upper and lower case differ.

    >>> plain_unit("µV"), plain_unit("m/s²"), plain_unit("dps")
    ('uV', 'm/s^2', 'deg/s')
    """
    text = "".join(unit.split()).replace("µ", "u").replace("μ", "u").replace("⁻²", "^-2").replace("²", "^2")
    return _SPELLINGS.get(text, text)


def conversion(unit: str, wanted: str) -> Conversion | None:
    """How values in `unit` become values in `wanted`; None where they are of different quantities, or not known here.

    >>> conversion("g", "m/s^2").factor
    9.80665
    >>> conversion("g", "rad/s") is None
    True
    """
    unit, wanted = plain_unit(unit), plain_unit(wanted)
    if unit == wanted:
        return Conversion()
    for quantity in _QUANTITIES:
        if unit in quantity and wanted in quantity:
            have, want = quantity[unit], quantity[wanted]
            return Conversion(have.factor / want.factor, (have.offset - want.offset) / want.factor)
    return None
