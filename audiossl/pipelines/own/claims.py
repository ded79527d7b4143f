"""A folder of output belongs to the corpus that it was first made from."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.files import read_json, write_json
from audiossl.pipelines.own.output import corpus_places

CLAIM = "corpus.json"


def claim_output(config: object, output: Path, dry_run: bool = False) -> None:
    """Write down of which corpus a folder is made, and refuse one of another corpus.

    Raises:
        ConfigError: naming both.
    """
    corpus = getattr(config, "corpus", None)
    if not corpus or not getattr(config, "claims_output", False):  # recipes for audio look at the corpus that they made
        return
    places = [str(Path(place).expanduser().absolute()) for place in corpus_places(corpus)]
    claim = output / CLAIM
    if claim.is_file() and (made := read_json(claim).get("corpus")) != places:
        raise ConfigError(
            f"{output} was made from {', '.join(made or ['another corpus'])}, this is {', '.join(places)}. Choose another "
            f"folder, output=DIR"
        )
    if not dry_run:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot write the output folder {output}: {error.strerror}. Choose another with output=DIR."
            ) from error
        write_json(claim, {"corpus": places})
