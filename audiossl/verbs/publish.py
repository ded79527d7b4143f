"""`audiossl.publish`: the encoder of a run with its model card, to the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from audiossl.embedding.embedder import Embedder
    from audiossl.models.model_facts import ModelFacts
    from audiossl.report.model_run import ModelRun
    from audiossl.verbs.run import Run


@dataclass(frozen=True)
class Publication:
    """What was published, or would be.

    Attributes:
        facts: what the card says of the model.
        files: names of the files.
        folder: folder with them; None where none was asked for.
        address: address of the repository; None of a dry run.
        people: names of people whom the config names as training subjects, so that no evaluation tests them.

    >>> from audiossl.models import Zipformer
    >>> from audiossl.models.model_facts import ModelFacts
    >>> Publication(ModelFacts.of(Zipformer.from_preset("tiny"), "me/mine"), ("README.md",)).address is None
    True
    """

    facts: ModelFacts
    files: tuple[str, ...]
    folder: Path | None = None
    address: str | None = None
    people: tuple[str, ...] = ()


def publish(
    run: str | Path | Run,
    name: str,
    *,
    output: str | Path | None = None,
    dry_run: bool = False,
    private: bool = False,
    licence: str | None = None,
    languages: Sequence[str] = (),
    data: str | None = None,
    trust_code: bool = False,
) -> Publication:
    """Send the encoder of a run to the Hugging Face hub: weights, config, and a model card made from the run's results.

    The card says what the run knows, and of anything else that it is not known. Nothing but these files is sent: no recordings,
    no ids of items, no paths. All that can be wrong on this side is refused before anything is sent.

    Args:
        run: folder of a run, a `Run`, or, where a run holds several encoders, the folder of one of them.
        name: repository, owner/name; it is made unless it is there.
        output: folder that the files are written to and kept in.
        dry_run: only write the folder `output`; the hub is not asked.
        private: make the repository private.
        licence: licence of the weights, such as "apache-2.0".
        languages: languages that the model is for, such as "en"; by default those that the training data are labelled with.
        data: source and licence of the training data, a sentence for the card.
        trust_code: whether a class may be imported that the run's encoder is of and that is not part of audiossl. The card names
            it; whoever loads the model needs its code.

    Returns:
        What was published, with the address of the repository.

    Raises:
        ConfigError: if the name cannot be one, there is no token, the run holds no encoder or no scores, `output` holds other
            files, or the hub refuses.
        StoreError: if a file of the run is damaged.

    >>> publish("runs/nothing", "anna/student", dry_run=True, output="card")
    Traceback (most recent call last):
    audiossl.errors.ConfigError: there is no folder runs/nothing: expected the folder of a run, such as runs/asterisk
    """
    from audiossl.models.hub_upload import check_repository, require_token, upload
    from audiossl.report.model_run import ModelRun

    check_repository(name)
    if dry_run and output is None:
        raise ConfigError("a dry run writes a folder: say which, output=DIR (on the command line, --out DIR)")
    if not dry_run:
        require_token()
    found = ModelRun.find(run if isinstance(run, str | Path) else run.folder)
    _check_output(output)
    embedder = _loaded(found, trust_code)
    facts = found.facts(embedder, name).stated(licence, languages or None, data)
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(spare, "model") if output is None else Path(output)
        files = _write(found, embedder, facts, folder)
        address = None if dry_run else upload(folder, name, files, private=private)
    return Publication(facts, files, None if output is None else folder, address, found.people())


def _check_output(output: str | Path | None) -> None:
    """Refuse a folder with files that are not of a publication, for it is replaced."""
    from audiossl.models import hub
    from audiossl.models.extractor_config import EXTRACTOR
    from audiossl.models.model_card import CARD

    folder = None if output is None else Path(output)
    own = {hub.CONFIG, hub.WEIGHTS, CARD, EXTRACTOR}
    if folder is None or not folder.exists():
        return
    if not folder.is_dir() or any(item.name not in own for item in folder.iterdir()):
        raise ConfigError(f"{folder} holds other files: choose another output=DIR (on the command line, --out DIR)")


def _loaded(found: ModelRun, trust_code: bool) -> Embedder:
    """The encoder, if others can load it as well."""
    from audiossl.load import load
    from audiossl.models import hub
    from audiossl.models.run_folder import local_path

    config = hub.read_config(found.encoder / hub.CONFIG)
    if config.get("model_type") == hub.NAMED and local_path(str(config.get("name"))) is not None:
        raise ConfigError(f"{found.encoder} is made from {config['name']}, which only this machine has: publish that first")
    return load(found.encoder, trust_code=trust_code)


def _write(found: ModelRun, embedder: Embedder, facts: ModelFacts, output: Path) -> tuple[str, ...]:
    """Write the files, all or none, and return their names."""
    import shutil

    from audiossl.files import whole_folder, write_json
    from audiossl.models import hub
    from audiossl.models.extractor_config import write_extractor
    from audiossl.models.hub_upload import published_config
    from audiossl.models.model_card import CARD, model_card
    from audiossl.report.model_run import padding_in_words

    card = model_card(facts, scores=found.scores(), padding=padding_in_words(embedder), limits=found.limits())
    with whole_folder(output) as folder:
        shutil.copyfile(found.encoder / hub.WEIGHTS, folder / hub.WEIGHTS)
        write_json(folder / hub.CONFIG, published_config(hub.read_config(found.encoder / hub.CONFIG)))
        write_extractor(facts, folder)
        (folder / CARD).write_text(card, encoding="utf-8")
        return tuple(sorted(path.name for path in folder.iterdir()))
