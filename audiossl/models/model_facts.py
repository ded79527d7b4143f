"""What is known of a model, in one place: the model card is written from it, and so are the records of benchmarks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from torch import nn

from audiossl.models import hub
from audiossl.models.encoder import Encoder, channels_of


@dataclass(frozen=True)
class TrainingSet:
    """Data that a model was trained on.

    Attributes:
        name: name of the data set, as results call it.
        items: number of recordings; None where it is not known.
        hours: hours of them.
        speakers: number of speakers, as far as recordings are labelled with them.
        subjects: number of people, of data of sensors and brains.
        languages: languages that the recordings are labelled with; none where they are not.

    >>> TrainingSet("asterisk", 1973, 1.5, languages=("en", "es")).in_words
    'asterisk: 1,973 recordings, 1.50 hours, labelled en, es'
    """

    name: str
    items: int | None = None
    hours: float | None = None
    speakers: int | None = None
    subjects: int | None = None
    languages: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """One line."""
        counted = {"recording": self.items, "speaker": self.speakers, "subject": self.subjects}
        parts = [f"{count:,} {noun}{'' if count == 1 else 's'}" for noun, count in counted.items() if count is not None]
        parts += [] if self.hours is None else [f"{self.hours:,.2f} hours"]
        parts += [f"labelled {', '.join(self.languages)}"] if self.languages else []
        return f"{self.name}: {', '.join(parts) or 'size not known'}"


@dataclass(frozen=True)
class ModelFacts:
    """A model, as its card, `mteb.ModelMeta` and the like describe it; None and "" say that something is not known.

    Attributes:
        name: name that it is loaded by, such as owner/name of a repository.
        model_type: class of its folder, see `audiossl.models.hub`.
        kind: class of the encoder.
        sample_rate: Hz of the input.
        channels, units: names and units of the channels of sensors or of brain regions; none of audio.
        frame_rate: frames per second of the layers.
        last_frame_rate: frames per second of the final output.
        widths: width of every layer.
        parameters: number of weights.
        min_seconds: shortest input that gives a frame.
        licence: licence of the weights, as their author says it.
        languages: languages that the author names; None where nothing is said, () where there are none.
        training: data that it was trained on; None where that is not known.
        training_note: source and licence of these data, as the author says them.
        teacher: frozen encoder that it learned from.
        started_from: encoder that training started from.
        recipe: recipe that trained it.
        commit: commit of the code that scored it.
        seed: seed of the run.

    >>> from audiossl.models import Zipformer
    >>> facts = ModelFacts.of(Zipformer.from_preset("tiny"), "me/mine")
    >>> facts.hop_seconds, facts.widths, facts.licence
    (0.02, (192, 192, 192, 192, 192), None)
    """

    name: str
    model_type: str
    kind: str
    sample_rate: float
    frame_rate: float
    last_frame_rate: float
    widths: tuple[int, ...]
    parameters: int
    min_seconds: float
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    licence: str | None = None
    languages: tuple[str, ...] | None = None
    training: tuple[TrainingSet, ...] | None = None
    training_note: str = ""
    teacher: str = ""
    started_from: str = ""
    recipe: str = ""
    commit: str | None = None
    seed: int | tuple[int, ...] | None = None

    @classmethod
    def of(cls, encoder: Encoder | nn.Module, name: str) -> ModelFacts:
        """What an encoder says of itself; what only its author or its run knows is left unknown.

        Args:
            encoder: encoder that meets the contract.
            name: name that it is loaded by.
        """
        model = cast(Encoder, encoder)
        channels, units = channels_of(encoder)
        weights = cast(nn.Module, encoder).parameters() if isinstance(encoder, nn.Module) else ()
        return cls(
            name=name,
            model_type=hub.model_type_of(encoder),
            kind=type(encoder).__name__,
            sample_rate=float(model.sample_rate),
            frame_rate=float(model.frame_rate),
            last_frame_rate=float(model.last_frame_rate),
            widths=(int(model.dim),) * int(model.num_layers),
            parameters=sum(weight.numel() for weight in weights),
            min_seconds=float(model.min_samples / model.sample_rate),
            channels=channels,
            units=units,
        )

    def stated(self, licence: str | None = None, languages: Iterable[str] | None = None, data: str | None = None) -> ModelFacts:
        """The same with what the author states; None leaves what is known as it is.

        Args:
            licence: licence of the weights.
            languages: languages that the model is for.
            data: source and licence of the training data.

        >>> from audiossl.teachers.logmel import LogMelEncoder
        >>> ModelFacts.of(LogMelEncoder(), "me/mine").stated(licence="mit").licence
        'mit'
        """
        named = self.languages if languages is None else tuple(languages)
        note = self.training_note if data is None else data
        return replace(self, licence=licence or self.licence, languages=named, training_note=note)

    @property
    def is_audio(self) -> bool:
        """Whether it reads sound rather than channels of sensors or regions of a brain."""
        return not self.channels

    @property
    def hop_seconds(self) -> float:
        """Seconds from one frame of the layers to the next."""
        return 1 / self.frame_rate

    @property
    def known_languages(self) -> tuple[str, ...]:
        """Languages that the author names, else those that the training data are labelled with."""
        labelled = (language for one in self.training or () for language in one.languages)
        return tuple(dict.fromkeys(labelled)) if self.languages is None else self.languages
