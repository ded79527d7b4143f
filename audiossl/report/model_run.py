"""A trained encoder with the run that made it: the folder, the rows of its results, what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiossl.embedding.embedder import Embedder
from audiossl.errors import AudiosslError, ConfigError, StoreError
from audiossl.evaluation.results import ResultRow, read_results
from audiossl.files import read_json
from audiossl.models import hub
from audiossl.models.model_facts import ModelFacts, TrainingSet
from audiossl.models.run_folder import encoder_folder
from audiossl.report.recorded import RESULTS, scored_by
from audiossl.report.recorded_tables import recorded_tables
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.sensors.recording_set import RecordingSet

ROW_OF = {"pretrain/student": "student", "pretrain/random": "random", "train/model": "finetuned", "train_random/model": "random"}
ROW_FOLDER = "model_"
MOST_UP = 5  # folders from an encoder to its run


@dataclass(frozen=True)
class ModelRun:
    """An encoder and its run.

    Attributes:
        encoder: folder with `config.json` and the weights.
        run: folder of the run.
        row: name of the encoder in the run's results.
        results: all rows of the run.
    """

    encoder: Path
    run: Path
    row: str
    results: tuple[ResultRow, ...]

    @classmethod
    def find(cls, place: str | Path) -> ModelRun:
        """Find the encoder of a run, or the run of an encoder.

        Args:
            place: folder of a run, or, where a run holds several encoders, the folder of one of them.

        Raises:
            ConfigError: if there is no such folder, it holds no trained encoder or several, or nothing was scored.
        """
        if not Path(place).is_dir():
            raise ConfigError(f"there is no folder {place}: expected the folder of a run, such as runs/asterisk")
        encoder = encoder_folder(Path(place)).absolute()
        if not (encoder / hub.CONFIG).is_file() or not (encoder / hub.WEIGHTS).is_file():
            raise ConfigError(f"{place} holds no trained encoder ({hub.CONFIG} and {hub.WEIGHTS}): run its recipe to the end")
        around = (encoder, *list(encoder.parents)[:MOST_UP])
        run = next((folder for folder in around if (folder / "recipe.json").is_file() or _results(folder)), None)
        found = None if run is None else _results(run)
        if run is None or found is None:
            where = f"{place} lies in no run" if run is None else f"{run} has no {RESULTS}"
            raise ConfigError(
                f"{where}: run its recipe to the stage evaluate. An encoder without scores is sent by its push_to_hub"
            )
        rows, row = tuple(read_results(found)), _row_of(encoder, run)
        if row not in {one.model for one in rows}:
            known = ", ".join(dict.fromkeys(one.model for one in rows))
            raise ConfigError(f"{found} has no row of {encoder.relative_to(run)}; its rows are {known}")
        return cls(encoder, run, row, rows)

    def facts(self, embedder: Embedder, name: str) -> ModelFacts:
        """What the encoder says of itself, and what the run recorded.

        Args:
            embedder: the encoder, loaded.
            name: repository that it is to be loaded from.
        """
        config = self._config()
        commit, seed = scored_by(self.run)
        start = config.get("start") or config.get("encoder")
        recipe = str(_json(self.run / "recipe.json").get("recipe", ""))
        return replace(
            ModelFacts.of(embedder.encoder, name),
            model_type=hub.read_model_type(self.encoder),
            training=self._training(config),
            teacher=_teacher(config),
            started_from=_public(start) if isinstance(start, str) and start else "",
            recipe=f"{recipe} on {config.get('dataset', 'data of its own')}" if recipe else "",
            commit=commit,
            seed=tuple(seed) if isinstance(seed, list) else seed,
        )

    def scores(self) -> str:
        """The results as Markdown: what is compared, a table for each data set, and the layers that the probes read."""
        commit, seed = scored_by(self.run)
        rows = [{**row.plain, "groups": row.groups, "commit": commit, "seed": seed, "machine": ""} for row in self.results]
        lead = f"This model is the row `{self.row}`; the other rows are what the same probes found in the same items."
        parts = [lead, recorded_tables(rows).strip()]
        if layers := self._layers():
            said = ", ".join(f"{task} {layer}" for task, layer in layers.items())
            parts.append(f"Layers that were read, chosen on validation items: {said}.")
        return "\n\n".join(parts)

    def limits(self) -> tuple[str, ...]:
        """What the scores do not say."""
        named = " and ".join(dict.fromkeys(row.dataset for row in self.results))
        groups = [row.groups for row in self.results if row.model == self.row and row.groups is not None]
        sentences = [f"Scores are of held-out items of {named}: of other recordings, devices, rooms or people they say nothing."]
        others = sorted(self.run.glob(f"{ROW_FOLDER}{self.row}/seed*/encoder/{hub.CONFIG}"))
        if len(others) > 1:
            sentences.append(
                f"The row `{self.row}` is over {len(others)} encoders (seeds and folds); this one is {self.encoder.parent.name}."
            )
        if groups:
            few = f"{min(groups):,}" if min(groups) == max(groups) else f"{min(groups):,} to {max(groups):,}"
            sentences.append(f"Intervals are over {few} groups of test items, which are all that was tested.")
        return tuple(sentences)

    def people(self) -> tuple[str, ...]:
        """Names of people whom the config says the model was trained on, which become public with it."""
        seen = _json(self.encoder / hub.CONFIG).get(hub.SEEN)
        subjects = seen.get("subjects") if isinstance(seen, Mapping) else None
        return tuple(map(str, subjects)) if isinstance(subjects, list) else ()

    def _config(self) -> Mapping[str, Any]:
        config = _json(self.run / "recipe.json").get("config")
        return config if isinstance(config, Mapping) else {}

    def _training(self, config: Mapping[str, Any]) -> tuple[TrainingSet, ...] | None:
        """The training side of the corpus, or the people that the encoder names; None where nothing is written."""
        name = str(config.get("dataset", self.run.name))
        sides = _json(self.run / "corpus" / "splits.json").get("train")
        if isinstance(sides, list):
            return (_of_corpus(name, self.run / "corpus" / "corpus", set(sides)),)
        seen = _json(self.encoder / hub.CONFIG).get(hub.SEEN)
        if not isinstance(seen, Mapping):
            return None
        return (_of_people(str(seen.get("dataset", name)), self.run / "recordings" / "set", set(self.people())),)

    def _layers(self) -> dict[str, int]:
        """By task, the layer at which the model was read, where the run's details say it."""
        found: dict[str, int] = {}
        for task, detail in _json(self.run / "evaluate" / "details.json").items():
            models = detail.get("models") if isinstance(detail, Mapping) else None
            about = models.get(self.row) if isinstance(models, Mapping) else None
            number = about.get("number") if isinstance(about, Mapping) else None
            if isinstance(number, int):
                found[task] = number
        return found


def padding_in_words(embedder: Embedder) -> str:
    """What a padded batch changes in the frames of a clip, measured for these weights; "" where it cannot be measured.

    >>> import audiossl
    >>> padding_in_words(audiossl.load("logmel")).partition(":")[0]
    'A clip has the same frames alone and in a padded batch'
    """
    from audiossl.evaluation.encoder_check.batches import SECONDS, check_padding

    try:
        finding = check_padding(embedder, len(embedder.takes.channels) or 1)
    except AudiosslError:  # clips that are too short for what it reads
        return ""
    clips = f"{len(SECONDS)} clips of {min(SECONDS):g} to {max(SECONDS):g} s in one batch"
    if finding.status == "pass":
        same = "A clip has the same frames alone and in a padded batch"
        return f"{same}: with these weights, in float32, the largest difference was {finding.found} ({clips})."
    return f"**Padding changes the frames of a clip**: {finding.found} ({clips}). Embed clips one by one."


def _results(folder: Path) -> Path | None:
    return next((path for path in (folder / RESULTS, folder / "evaluate" / RESULTS) if path.is_file()), None)


def _row_of(encoder: Path, run: Path) -> str:
    """The name of an encoder in the results of its run."""
    inside = encoder.relative_to(run).parts
    if inside and inside[0].startswith(ROW_FOLDER):
        return inside[0].removeprefix(ROW_FOLDER)
    return ROW_OF.get("/".join(inside[:2]), "/".join(inside))


def _json(path: Path) -> Mapping[str, Any]:
    """An object of a file of the run; nothing where there is none.

    Raises:
        StoreError: if it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error})") from error
    return found if isinstance(found, Mapping) else {}


def _public(name: str) -> str:
    """A name as others may read it: of a place on this machine its last part."""
    return Path(name).name if Path(name).is_absolute() or Path(name).exists() else name


def _teacher(config: Mapping[str, Any]) -> str:
    """The encoders whose tokens a student predicted; "" where it learned from something else."""
    objective = config.get("objective")
    if not isinstance(objective, Mapping) or objective.get("targets", "tokens") != "tokens":
        return ""
    streams = config.get("streams") or {}
    teachers = [stream.get("teacher") for stream in streams.values()] if streams else [config.get("teacher")]
    return " and ".join(filter(None, map(_teacher_in_words, teachers)))


def _teacher_in_words(teacher: object) -> str:
    if not isinstance(teacher, Mapping):
        return ""
    # Runs of earlier versions have kind and name.
    name = teacher.get("encoder") or teacher.get("name") or teacher.get("kind")
    layer = teacher.get("layer")
    return "" if not name else f"{_public(str(name))}{'' if layer is None else f', layer {layer}'}"


def _of_corpus(name: str, folder: Path, train: set[str]) -> TrainingSet:
    """The training side of a corpus; of a run that was cleared of it the number of recordings alone."""
    try:
        corpus = Corpus.open(folder)
    except StoreError:
        return TrainingSet(name, len(train))
    kept = [item for item in corpus.items if item.id in train]
    seconds = sum(item.num_samples for item in kept) / corpus.sample_rate
    speakers, languages = ({value for item in kept if (value := getattr(item, what))} for what in ("speaker", "language"))
    return TrainingSet(name, len(kept), seconds / 3600, len(speakers) or None, languages=tuple(sorted(languages)))


def _of_people(name: str, folder: Path, people: set[str]) -> TrainingSet:
    """The recordings of the training people; without the run's recordings their number alone."""
    count = len(people) or None
    try:
        rows = [row for row in RecordingSet(folder).rows if row["subject"] in people]
    except StoreError:
        return TrainingSet(name, subjects=count)
    return TrainingSet(name, len(rows), sum(row["num_samples"] / row["rate"] for row in rows) / 3600, subjects=count)
