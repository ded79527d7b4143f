"""The objectives that recipes know by name, and how one is made of a name and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from audiossl.errors import ConfigError
from audiossl.kinds import Kind, find_kind
from audiossl.models.encoder import Encoder
from audiossl.objectives.objective import Objective
from audiossl.options import read_options

T = TypeVar("T")

WINDOW_OBJECTIVES: dict[str, Kind] = {
    "frame_projection": Kind(
        "audiossl.objectives.frame_projection:FrameProjection",
        "a window and its coefficients in bases and frames agree (arXiv 2510.22655)",
    ),
    "simclr": Kind("audiossl.objectives.simclr:SimCLR", "two views find each other among all others (arXiv 2002.05709)"),
    "dcl": Kind("audiossl.objectives.decoupled:DCL", "SimCLR without the positive in the denominator (arXiv 2110.06848)"),
    "dclw": Kind("audiossl.objectives.decoupled:DCLW", "DCL with weights for unlike pairs (arXiv 2110.06848)"),
    "micle": Kind("audiossl.objectives.micle:MICLe", "two members of one bag find each other (arXiv 2101.05224)"),
    "byol": Kind("audiossl.objectives.byol:BYOL", "predict a moving average of oneself (arXiv 2006.07733)"),
    "vicreg": Kind("audiossl.objectives.vicreg:VICReg", "invariance, variance and covariance (arXiv 2105.04906)"),
    "barlow_twins": Kind("audiossl.objectives.barlow_twins:BarlowTwins", "redundancy reduction (arXiv 2103.03230)"),
    "pgl": Kind("audiossl.objectives.pgl:PGL", "frames of two crops agree where the crops overlap (arXiv 2011.12640)"),
    "nnclr": Kind("audiossl.objectives.nnclr:NNCLR", "nearest neighbours of the past as positives (arXiv 2104.14548)"),
    "alice": Kind("audiossl.objectives.alice:Alice", "stretches of two recordings that play one role (arXiv 2302.05615)"),
    "ts_tcc": Kind("audiossl.objectives.ts_tcc:TSTCC", "temporal and contextual contrast (arXiv 2106.14112)"),
    "gmml": Kind("audiossl.objectives.gmml:GMML", "rebuild groups of samples that were corrupted (arXiv 2205.14986)"),
    "pcrl": Kind("audiossl.objectives.pcrl:PCRL", "contrast, and transformed windows rebuilt (arXiv 2109.04379)"),
    "cast": Kind("audiossl.objectives.cast:CAST", "contrast that looks at what is active (arXiv 2012.04630)"),
    "clusters": Kind("audiossl.objectives.clusters:Clusters", "frames and clips predict clusters (arXiv 2212.01893)"),
    "ts2vec": Kind("audiossl.objectives.ts2vec:TS2Vec", "hierarchical contrast of overlapping crops (arXiv 2106.10466)"),
}

GRAPH_OBJECTIVES: dict[str, Kind] = {
    "connectivity_mae": Kind(
        "audiossl.objectives.connectivity_mae:ConnectivityMAE",
        "masked auto-encoding of dynamic connectivity in space and time (arXiv 2312.01994)",
    ),
    "graph_infomax": Kind(
        "audiossl.objectives.graph_infomax:GraphInfomax",
        "distinguish regions from those of shuffled graphs (arXiv 1809.10341)",
    ),
}

SEMI_OBJECTIVES: dict[str, Kind] = {
    "supervised": Kind("audiossl.objectives.supervised:Supervised", "labels alone, with the same views and steps"),
    "pseudo_label": Kind("audiossl.objectives.pseudo_label:PseudoLabel", "one's own confident classes (Lee 2013)"),
    "mean_teacher": Kind(
        "audiossl.objectives.mean_teacher:MeanTeacher", "agree with a moving average of oneself (arXiv 1703.01780)"
    ),
    "fixmatch": Kind(
        "audiossl.objectives.fixmatch:FixMatch", "confident classes of a weak view for a strong one (arXiv 2001.07685)"
    ),
    "softmatch": Kind("audiossl.objectives.softmatch:SoftMatch", "FixMatch with soft weights (arXiv 2301.10921)"),
    "simmatch": Kind("audiossl.objectives.simmatch:SimMatch", "classes and similarities to labelled windows (arXiv 2203.06915)"),
    "semixup": Kind("audiossl.objectives.semixup:Semixup", "windows, changes and mixtures agree (arXiv 2003.01944)"),
    "tracoco": Kind("audiossl.objectives.tracoco:TraCoCo", "two networks, and two crops on their overlap (arXiv 2203.14523)"),
    "multiaugs": Kind("audiossl.objectives.multiaugs:MultiAugs", "several strong views, summed (arXiv 2402.11566)"),
    "self_ensembling": Kind(
        "audiossl.objectives.self_ensembling:SelfEnsembling", "contrast of regions by a teacher's classes (arXiv 2105.12924)"
    ),
}


def find_objective(name: str, table: Mapping[str, Kind]) -> type[Objective]:
    """Find the class of an objective: a name of the table, `FILE.py:Class` or `module:Class`.

    Raises:
        ConfigError: if there is none, or it is no objective.

    >>> find_objective("simclr", WINDOW_OBJECTIVES).__name__
    'SimCLR'
    """
    return find_kind(name, table, "objective", ("Config", "needs", "forward", "after_step"))


def make_window_objective(name: str, encoder: Encoder, options: Mapping[str, object] | None = None) -> Objective:
    """Make an objective on windows around an encoder, which becomes its `encoder`.

    Args:
        name: name of `WINDOW_OBJECTIVES`, or a place outside the package.
        encoder: encoder of the signal.
        options: fields of the objective's `Config`.

    Raises:
        ConfigError: for another name, or an option that the objective does not have or take.

    >>> from audiossl.models.resnet1d import ResNet1d
    >>> make_window_objective("simclr", ResNet1d(6, 50.0), {"temperature": 0.2}).config.temperature
    0.2
    """
    found = find_objective(name, WINDOW_OBJECTIVES)
    return found(encoder, read_config(found.Config, options or {}, name))


def read_config(kind: type[T], values: Mapping[str, object], place: str) -> T:
    """Read options as `read_options` does, with the place in front of what the dataclass itself finds wrong as well.

    Raises:
        ConfigError: naming the place.
    """
    try:
        return read_options(kind, values, place)
    except ConfigError as error:
        if str(error).startswith(place):
            raise
        raise ConfigError(f"{place}: {error}") from error
