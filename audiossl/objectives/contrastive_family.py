"""The baselines among the objectives of windows, by the name that a recipe uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.augmentations import AugmentationConfig
from audiossl.objectives.barlow_twins import BarlowTwins, BarlowTwinsConfig
from audiossl.objectives.byol import BYOL, BYOLConfig
from audiossl.objectives.decoupled import DCL, DCLConfig
from audiossl.objectives.nnclr import NNCLR, NNCLRConfig
from audiossl.objectives.simclr import SimCLR, SimCLRConfig
from audiossl.objectives.ts2vec import TS2Vec, TS2VecConfig
from audiossl.objectives.ts_tcc import TSTCC, TSTCCConfig
from audiossl.objectives.vicreg import VICReg, VICRegConfig
from audiossl.options import nearest

FAMILY: dict[str, tuple[Callable[[Encoder, Any], nn.Module], type, Mapping[str, Any]]] = {
    "simclr": (SimCLR, SimCLRConfig, {}),
    "dcl": (DCL, DCLConfig, {}),
    "dclw": (DCL, DCLConfig, {"weighted": True}),
    "byol": (BYOL, BYOLConfig, {}),
    "vicreg": (VICReg, VICRegConfig, {}),
    "barlow_twins": (BarlowTwins, BarlowTwinsConfig, {}),
    "nnclr": (NNCLR, NNCLRConfig, {}),
    "ts_tcc": (TSTCC, TSTCCConfig, {}),
    "ts2vec": (TS2Vec, TS2VecConfig, {}),
}


def make_contrastive(name: str, encoder: Encoder, options: Mapping[str, Any]) -> nn.Module:
    """Make a baseline around an encoder, which becomes its `encoder`.

    Args:
        name: simclr, dcl, dclw, byol, vicreg, barlow_twins, nnclr, ts_tcc or ts2vec.
        encoder: of the signal.
        options: fields of the method's config; `augmentations` holds those of `AugmentationConfig`.

    Raises:
        ConfigError: for another name, or an option that the method does not have.
    """
    if name not in FAMILY:
        raise ConfigError(f"there is no objective '{name}'; choose one of {', '.join(FAMILY)}")
    make, config, preset = FAMILY[name]
    options = {**preset, **options}
    if "augmentations" in options and "augmentations" in {field.name for field in fields(config)}:
        if not isinstance(options["augmentations"], Mapping):
            raise ConfigError(
                f"expected {name}.augmentations as options such as {{kinds: imu}}, got {options['augmentations']!r}"
            )
        options["augmentations"] = read_options(f"{name}.augmentations", AugmentationConfig, options["augmentations"])
    return make(encoder, read_options(name, config, options))


def read_options(place: str, config: type, options: Mapping[str, Any]) -> Any:
    """Make a config of options as YAML gives them: whole numbers stand for floats.

    Raises:
        ConfigError: naming options that the config does not have, or values that it does not take.
    """
    kinds = {field.name: field.type for field in fields(config)}
    if unknown := sorted(set(options) - set(kinds)):
        raise ConfigError(f"{place} has no option {', '.join(unknown)}{nearest(unknown[0], kinds)}; it has {', '.join(kinds)}")
    for name, value in options.items():
        wanted = {"bool": bool, "int": int}.get(str(kinds[name]))
        if wanted and type(value) is not wanted:
            raise ConfigError(f"{place}.{name} is {'true or false' if wanted is bool else 'a whole number'}, got {value!r}")
    try:
        return config(**{name: float(value) if kinds[name] == "float" else value for name, value in options.items()})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place} has an option of another type ({error}); it takes {kinds}") from error
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
