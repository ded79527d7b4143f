"""A student: an encoder that is pre-trained by predicting what was masked in its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.kinds import Kind, find_kind
from audiossl.models.building import describe_encoder, make_encoder
from audiossl.models.encoder import Frames, as_encoder
from audiossl.models.training_devices import TrainingDevices

STUDENTS: dict[str, Kind] = {
    "zipformer": Kind("audiossl.models.zipformer:Zipformer", "the encoder of SPEAR (arXiv 2510.25955), in four presets"),
}
NEEDS = ("compute_features", "forward_features")


@runtime_checkable
class FeatureStudent(Protocol):
    """What masked prediction (`MaskedTokens`, `MaskedFeatures`) asks of a student, beside the encoder contract.

    Optional are `mask_emb`, a parameter with one number per feature bin that fills masked frames (the objective has one of its
    own where it is missing or None); `before_step(step, seconds)` for schedules inside the model; and
    `use_training_devices(devices, seconds_per_step)` for regularisation that acts in training only.

    Attributes:
        frame_rate: frames per second of the layers.
        last_frame_rate: frames per second of the final output.
        frame_offset: seconds from the start of the signal to the centre of frame 0 of the layers.
        dim: width of the frames.
        num_mel_bins: bins M of a feature frame.
    """

    frame_rate: float
    last_frame_rate: float
    frame_offset: float
    dim: int

    @property
    def num_mel_bins(self) -> int:
        """Bins of a feature frame."""
        ...

    def compute_features(
        self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B F M"], Int[Tensor, "B"]]:
        """Turn signals into padded features, 100 frames per second, and their lengths."""
        ...

    def forward_features(self, features: Float[Tensor, "B F M"], feature_lengths: Int[Tensor, "B"]) -> Frames:
        """Encode features."""
        ...


def make_student(
    kind: str = "zipformer", preset: str | None = "tiny", options: Mapping[str, object] | None = None
) -> FeatureStudent:
    """Build an untrained student from what a recipe says; weights are drawn from torch's global state.

    Args:
        kind: name in `STUDENTS`, `module:Class` or `FILE.py:Class`.
        preset: of classes with `from_preset(preset, **options)`; others have no presets, and it is not used.
        options: `student.overrides` of a recipe: of other classes the fields of the dataclass that they take as `config`, else
            their arguments.

    Returns:
        The student, an `nn.Module` that is an encoder, meets `FeatureStudent` and can be saved by `audiossl.models.hub`.

    Raises:
        ConfigError: if there is no such kind, an option is wrong, or the class is no student.

    >>> make_student("zipformer", "tiny", {"num_mel_bins": 40}).num_mel_bins
    40
    """
    found = find_kind(kind, STUDENTS, "student", NEEDS)
    options = dict(options or {})
    from_preset = getattr(found, "from_preset", None)
    student = from_preset(preset or "tiny", **options) if from_preset else make_encoder(found, options, "student.overrides")
    if not isinstance(student, nn.Module) or not isinstance(student, FeatureStudent):
        raise ConfigError(
            f"student '{kind}': expected an nn.Module with frame_rate, last_frame_rate, frame_offset, dim, num_mel_bins, "
            f"{' and '.join(NEEDS)}, see audiossl.models.student; got {found!r}"
        )
    as_encoder(student)
    describe_encoder(student)  # what cannot be saved is better refused before it is trained
    return student


def mask_vector(student: object) -> nn.Parameter | None:
    """The student's own vector that fills masked feature frames; None where the objective has to bring one."""
    return getattr(student, "mask_emb", None)


def use_training_devices(student: object, devices: TrainingDevices, seconds_per_step: float) -> None:
    """Put the training-only devices on a student that has any.

    Raises:
        ConfigError: if they are switched on and the student has none.
    """
    hook = getattr(student, "use_training_devices", None)
    if callable(hook):
        hook(devices, seconds_per_step)
    elif devices.enabled:
        raise ConfigError(
            f"student.devices: a {type(student).__name__} has no training devices; set student.devices.enabled=false"
        )
