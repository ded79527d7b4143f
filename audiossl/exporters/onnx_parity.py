"""How far a graph in ONNX Runtime is from its encoder in torch, at sizes of every residue of the subsampling."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.exporters.onnx_forms import GraphForm
from audiossl.exporters.onnx_graph import num_channels, output_names
from audiossl.seeds import derive_generator
from audiossl.teachers.onnx_metadata import FRAME_LENGTHS, LAYER_LENGTHS, LENGTHS
from audiossl.teachers.onnx_session import OnnxSession

LONG_STEPS = 40  # steps of the grid of the longest clip
ODD = 37  # samples by which clips of the same residue differ beyond it; prime to a hop


@dataclass(frozen=True)
class SizeParity:
    """One clip, in a padded batch of the graph and alone in torch.

    Attributes:
        size: steps of the input: samples, or feature frames.
        padded_to: size of the batch.
        residue: its place on the grid of frames, in units.
        frames: frames of the output.
        max_error: largest difference of a valid frame, over all outputs.
        relative_error: the same, where frames are larger than 1 divided by their root mean square.
        cosine: smallest cosine of a frame with that of torch, over all outputs.
        within: share of the frames of which no number differs by more than 1e-4.
    """

    size: int
    padded_to: int
    residue: int
    frames: int
    max_error: float
    relative_error: float
    cosine: float
    within: float


@dataclass(frozen=True)
class Parity:
    """What is written next to a graph.

    Attributes:
        model: name of the encoder.
        form, precision: see `OnnxExport`.
        outputs: outputs that were compared.
        sizes: one entry a clip of white noise.
        tone: a pure tone, whose log-mel has bins near silence, where float32 decides; of graphs with log-mel inside.
        versions: torch and ONNX Runtime.
        file_bytes: size of the file and of its weights.
    """

    model: str
    form: str
    precision: str
    outputs: list[str]
    sizes: list[SizeParity]
    tone: SizeParity | None
    versions: dict[str, str]
    file_bytes: int

    @property
    def worst(self) -> SizeParity:
        """The clip with the largest error."""
        return max(self.sizes, key=lambda one: one.max_error if math.isfinite(one.max_error) else math.inf)

    @property
    def relative_error(self) -> float:
        """The largest of all clips; not a number where one is none."""
        errors = [one.relative_error for one in self.sizes]
        return max(errors) if all(map(math.isfinite, errors)) else math.nan

    @property
    def within(self) -> float:
        """Share of all frames of which no number differs by more than 1e-4."""
        return sum(one.within * one.frames for one in self.sizes) / sum(one.frames for one in self.sizes)

    def fault(self, accepted: float) -> str:
        """What is wrong, in words."""
        return (
            f"the graph differs from torch by {self.worst.max_error:.2g} at size {self.worst.size}, {self.relative_error:.2g} of "
            f"the size of a frame, and {1 - self.within:.2%} of the frames by more than 1e-4; at most {accepted:g} is accepted "
            "(tolerance=...)"
        )

    def summary(self) -> str:
        """One line."""
        frames, residues = sum(one.frames for one in self.sizes), len({one.residue for one in self.sizes})
        return (
            f"{self.precision}, {self.file_bytes / 1e6:.1f} MB: against torch, over {len(self.sizes)} sizes of {residues} "
            f"residues ({frames} frames of noise), largest error {self.worst.max_error:.2g} at size {self.worst.size}, "
            f"{self.within:.2%} of the frames within 1e-4, smallest cosine {min(one.cosine for one in self.sizes):.6f}"
        )

    def to_json(self) -> dict[str, object]:
        """The report."""
        return {"summary": self.summary(), "relative_error": self.relative_error, **asdict(self)}


@torch.no_grad()
def measure(path: Path, form: GraphForm, embedder: Embedder, layers: list[int], precision: str) -> Parity:
    """Run the graph on padded batches of noise, and torch on every clip alone.

    Args:
        path: the graph.
        form: form of the encoder.
        embedder: the encoder.
        layers: layers that are outputs.
        precision: precision of the graph.

    Raises:
        ConfigError: if the graph cannot be run, or gives other numbers of frames.
    """
    import onnxruntime

    session = OnnxSession(path)
    run = _Comparison(session, form, embedder, layers)
    sizes: list[SizeParity] = []
    for group in _groups(form):
        sizes += run.compare([_noise(form, size) for size in group], group)
    tone = None
    if form.name == "waveform":
        time = torch.arange(round(embedder.sample_rate)) / embedder.sample_rate
        tone = run.compare([0.1 * (2 * math.pi * 1000 * time).sin()[None]], [len(time)])[0]
    return Parity(
        model=embedder.name,
        form=form.name,
        precision=precision,
        outputs=run.names,
        sizes=sizes,
        tone=tone,
        versions={"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
        file_bytes=sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")),
    )


class _Comparison:
    def __init__(self, session: OnnxSession, form: GraphForm, embedder: Embedder, layers: list[int]) -> None:
        self.session, self.form, self.embedder = session, form, embedder
        self.layers, self.names = layers, output_names(layers)

    def compare(self, clips: list[Float[Tensor, "C _"]], sizes: list[int]) -> list[SizeParity]:
        signal, lengths = self.form.batch(clips)
        found = dict(zip(self.names, self.session({self.form.name: signal, LENGTHS: lengths}, self.names), strict=True))
        return [self._one(found, row, clip, size, max(sizes)) for row, (clip, size) in enumerate(zip(clips, sizes, strict=True))]

    def _one(self, found: dict[str, Tensor], row: int, clip: Tensor, size: int, padded_to: int) -> SizeParity:
        expected = self.embedder(clip[None], torch.tensor([clip.shape[1]]))
        wanted = dict(zip(self.names, [expected.last, expected.last_lengths], strict=False))
        wanted |= dict(zip(self.names[2:], [*(expected.layers[n] for n in self.layers), expected.lengths], strict=False))
        worst, relative, cosine, within = 0.0, 0.0, 1.0, 1.0
        counts = {name: int(wanted[name][0]) for name in (FRAME_LENGTHS, LAYER_LENGTHS) if name in wanted}
        for name, count in counts.items():
            if int(found[name][row]) != count:
                raise ConfigError(f"the graph gives {int(found[name][row])} {name} for a size of {size}, torch gives {count}")
        for place, name in enumerate(self.names):
            if name in counts:
                continue
            count = counts[FRAME_LENGTHS if place == 0 else LAYER_LENGTHS]
            ours, theirs = found[name][row, :count], wanted[name][0, :count]
            if len(ours) != len(theirs):
                raise ConfigError(f"the graph gives {len(ours)} frames of {name} for a size of {size}, torch gives {len(theirs)}")
            error = (ours - theirs).abs().nan_to_num(torch.inf)
            worst = max(worst, float(error.max()))
            relative = max(relative, float(error.max() / theirs.square().mean().sqrt().clamp_min(1)))
            cosine = min(cosine, float(torch.cosine_similarity(ours, theirs, dim=-1).min()))
            within = min(within, float((error.amax(-1) <= 1e-4).float().mean()))
        residue = size % self.form.step // self.form.unit
        return SizeParity(size, padded_to, residue, counts[FRAME_LENGTHS], worst, relative, cosine, within)


def _groups(form: GraphForm) -> list[list[int]]:
    """Batches of sizes: one a residue, its longest clip has that; then the shortest alone, and a long one."""
    groups = []
    residues = form.step // form.unit
    for residue in range(residues):
        longest = form.smallest + 2 * form.step + (residue * form.unit - form.smallest) % form.step
        others = [form.smallest + residue * ODD % form.step, longest - 1 - residue * form.unit // 2]
        shift = residue * ODD % max(form.unit // 2, 1)  # within what is rounded down to the unit
        groups.append([longest + shift, *(max(size, form.smallest) for size in others)])
    long = form.smallest + LONG_STEPS * form.step + form.step // 2
    return [*groups, [form.smallest], [long, long // 2 + form.smallest]]


def _noise(form: GraphForm, size: int) -> Float[Tensor, "C _"]:
    samples = size * form.samples_a_step
    return 0.1 * torch.randn(num_channels(form), samples, generator=derive_generator("onnx", f"size {size}"))
