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
        "overrides",
        nargs="*",
        metavar="key=value",
        help="options of the export, such as padding=reference for s3prl or precision=int8 for onnx",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder; for hear, xares, mteb and marble a file such as my_embed.py, for onnx model.onnx",
    )
    parser.add_argument(
        "--layers",
        help="last, all, or numbers such as 2,4: for hear, xares, mteb and marble concatenated, for onnx outputs of their own",
    )
    parser.add_argument("--pooling", choices=["mean", "mean+max"], help="for hear and mteb: pooling over time (default mean)")
    parser.set_defaults(command=export_model)


def export_model(options: argparse.Namespace) -> int:
    """Export an encoder: a graph, an s3prl upstream, a module for HEAR, X-ARES, MTEB or MARBLE, or a published layout."""
    from audiossl.files import read_json
    from audiossl.verbs.export import export

    layers = {"layers": parse_layers(options.layers)} if options.layers else {}
    pooling = {"pooling": options.pooling} if options.pooling else {}
    path = export(options.model, options.target, options.out, options.overrides, **layers, **pooling)
    print(path)
    if (report := path.with_suffix(".parity.json")).is_file():
        print(read_json(report)["summary"])
    return 0
