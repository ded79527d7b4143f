"""`audiossl probe`: its options."""

from __future__ import annotations

import argparse
from pathlib import Path

from audiossl.cli_evaluate import parse_layers
from audiossl.encoder_names import WRITTEN


def add_probe(parser: argparse.ArgumentParser) -> None:
    """Say what `audiossl probe` takes."""
    parser.add_argument("model", help=f"checkpoint or run folder, {WRITTEN} or a SPEAR repository")
    parser.add_argument("paths", nargs="+", help="recordings, as in `audiossl embed`")
    parser.add_argument("--label", required=True, metavar="COLUMN", help="column or field to predict, as classes")
    parser.add_argument("--group", metavar="COLUMN", help="column whose values stay on one side (default: the file)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="rows that are joined to the recordings")
    parser.add_argument("--where", metavar="CONDITION", help="such as \"speaker == 'a' and age < 30\"")
    parser.add_argument("--layers", default="all", help="layers that are compared: all (default), last, or numbers such as 2,4")
    parser.add_argument("--out", type=Path, metavar="STORE", help="folder of the embedding store; by default nothing is kept")
    parser.add_argument("--device", help="cpu (default), cuda, cuda:1, mps")
    parser.add_argument("--seed", type=int, default=1, help="seed of the split (default 1)")
    parser.add_argument("--attentive", action="store_true", help="also fit a probe that attends to frames of all layers")
    parser.set_defaults(command=probe_model)


def probe_model(options: argparse.Namespace) -> int:
    """Score a frozen model on a label of recordings: linear probe and nearest neighbours, with chance and majority."""
    from audiossl.evaluation.results import print_results
    from audiossl.verbs.probe import probe

    names = ("group", "table", "where", "device", "seed", "attentive")
    how = {name: getattr(options, name) for name in names}
    rows = probe(options.model, options.paths, options.label, layers=parse_layers(options.layers), output=options.out, **how)
    print_results(rows)
    return 0
