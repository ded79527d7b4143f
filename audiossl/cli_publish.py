"""`audiossl publish`: its options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_publish(parser: argparse.ArgumentParser) -> None:
    """Say what `audiossl publish` takes."""
    parser.add_argument("run", help="folder of a run, or, where it holds several encoders, of one of them")
    parser.add_argument("name", help="repository on the Hugging Face hub, owner/name")
    # Not `out`: the folder is published, and the command that made it is no part of it.
    parser.add_argument("--out", dest="output", type=Path, metavar="DIR", help="write the files to this folder and keep them")
    parser.add_argument("--dry-run", action="store_true", help="write the folder and send nothing")
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--licence", metavar="NAME", help="licence of the weights, such as apache-2.0")
    parser.add_argument(
        "--languages", nargs="+", default=[], metavar="CODE", help="languages that the model is for, such as en es"
    )
    parser.add_argument("--data", metavar="TEXT", help="source and licence of the training data, for the card")
    parser.add_argument("--trust-code", action="store_true", help="import the class of an encoder that is not part of audiossl")
    parser.set_defaults(command=publish_run)


def publish_run(options: argparse.Namespace) -> int:
    """Send the encoder of a run to the Hugging Face hub, with a model card made from its results; --dry-run writes the folder."""
    from audiossl.verbs.publish import publish

    names = ("output", "dry_run", "private", "licence", "languages", "data", "trust_code")
    done = publish(options.run, options.name, **{name: getattr(options, name) for name in names})
    for file in done.files:
        print(file if done.folder is None else done.folder / file)
    if done.people:
        print(f"config.json names {len(done.people)} people as training subjects, {done.people[0]} ...", file=sys.stderr)
    for what, value in (("licence", done.facts.licence), ("source and licence of the training data", done.facts.training_note)):
        if not value:
            print(f"the card says that the {what} is not stated: --{'licence' if what == 'licence' else 'data'}", file=sys.stderr)
    print(done.address or "nothing was sent: this was a dry run")
    return 0
