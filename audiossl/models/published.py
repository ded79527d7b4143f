"""The published SPEAR encoders (arXiv 2510.25955; Hugging Face user marcoyang)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A repository on the Hugging Face hub that `audiossl.load` takes by name.

    Attributes:
        name: name of the repository.
        preset: size.
        trained_on: domains and hours of its model card.
        note: remark on how it differs from the others.
    """

    name: str
    preset: str
    trained_on: str
    note: str = ""


PUBLISHED = (
    Published("marcoyang/spear-base-speech", "base", "speech, 84k h"),
    Published("marcoyang/spear-large-speech", "large", "speech, 84k h"),
    Published("marcoyang/spear-base-speech-audio", "base", "speech and audio, 97k h"),
    Published("marcoyang/spear-large-speech-audio", "large", "speech and audio, 97k h"),
    Published("marcoyang/spear-xlarge-speech-audio", "xlarge", "speech and audio, 197k h"),
    Published("marcoyang/spear-base-speech-audio-v2", "base", "speech and audio, 97k h", "token mixing"),
    Published("marcoyang/spear-large-speech-audio-v2", "large", "speech and audio, 97k h", "token mixing"),
    Published("marcoyang/spear-xlarge-speech-audio-v2", "xlarge", "speech and audio, 197k h", "token mixing"),
)
