"""`audiossl export`: parsed here, done in `verbs/export.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from audiossl.cli_evaluate import parse_layers
from audiossl.exporters.table import EXPORTS


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audiossl export`."""
    about = "; ".join(f"{name}: {kind.about}" for name, kind in EXPORTS.items())
    parser.add_argument("target", help=f"{about}; or my_module:MyExport")
    parser.add_argument("model", help="anything that `audiossl.load` takes, such as myenc.py:MyEncoder; for hf a Zipformer")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="options of the export, such as padding=reference for s3prl"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder; for hear, xares, mteb and marble a file such as my_embed.py"
    )
    parser.add_argument("--layers", help="for hear, xares, mteb and marble: last, all, or numbers such as 2,4, concatenated")
    parser.add_argument("--pooling", choices=["mean", "mean+max"], help="for hear and mteb: pooling over time (default mean)")
    parser.set_defaults(command=export_model)


def export_model(options: argparse.Namespace) -> int:
    """Export an encoder: an s3prl upstream, a module for HEAR, X-ARES, MTEB or MARBLE, or a published layout."""
    from audiossl.verbs.export import export

    layers = {"layers": parse_layers(options.layers)} if options.layers else {}
    pooling = {"pooling": options.pooling} if options.pooling else {}
    print(export(options.model, options.target, options.out, options.overrides, **layers, **pooling))
    return 0
