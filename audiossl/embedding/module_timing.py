"""When the frames of a module are: how many a clip has, the shortest clip, and what part of the signal a frame stands for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.utils.rnn import pad_sequence

from audiossl.embedding.module_call import ModuleCall
from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames

LONG = 64  # hops of the clip in which the receptive field of a frame is looked for
CLOSE = 1e-5  # of the size of a frame; the contract of encoders
SHARP = 0.01  # of the effect of all samples has the first hop of a receptive field; memory that fades has no such edge


def find_min_samples(call: ModuleCall, hop: int) -> int:
    """The shortest clip that gives a frame, in samples.

    Raises:
        ConfigError: if `LONG` hops give none.
    """

    def gives_a_frame(num_samples: int) -> bool:
        try:
            return call.probe(num_samples)[0].shape[1] >= 1
        except Exception:  # too short, in whatever way the module says so
            return False

    found = _first(gives_a_frame, 1, LONG * hop)
    if found is None:
        raise ConfigError(f"{type(call.module).__name__} gives no frame for a clip of {LONG * hop} samples")
    return found


def find_shift(call: ModuleCall, hop: int, min_samples: int) -> int | None:
    """The a in `T = floor((S + a) / hop)`, frames of a clip of S samples; None if the module counts in another way."""

    def count(num_samples: int) -> int:
        return call.probe(num_samples)[0].shape[1]

    start = max(min_samples, 20 * hop)
    frames = count(start)
    grown = _first(lambda size: count(size) > frames, start + 1, start + hop)
    if grown is None:
        return None
    shift = (frames + 1) * hop - grown
    sizes = (min_samples, min_samples + 1, grown - 1, grown, start + hop // 2, start + 7 * hop + 3, 2 * start + hop - 1)
    return shift if all(count(size) == (size + shift) // hop for size in sizes) else None


def find_field(call: ModuleCall, hop: int) -> tuple[int, int, int] | None:
    """A frame in the middle of a clip, and the first and last sample that it depends on; None if that has no sharp ends.

    Samples before a place, or after it, are replaced by others: as long as the frame stays the same it does not see them.
    """
    size = LONG * hop
    signal, other = (call.noise(1, size, name) for name in ("probe", "other"))
    with torch.no_grad():
        layers = call.layers(signal)
    frame = layers[-1].shape[1] // 2
    scale = layers[-1].square().mean().sqrt().clamp(min=1e-12)

    @torch.no_grad()
    def change(first: int, last: int) -> float:
        mixed = signal.clone()
        mixed[:, :, first:last] = other[:, :, first:last]
        gaps = [(a[:, frame] - b[:, frame]).abs().max() for a, b in zip(call.layers(mixed), layers, strict=True)]
        return float(torch.stack(gaps).max() / scale)

    upto = _first(lambda place: change(0, place) > CLOSE, 1, size)  # 1 more than the first sample that is seen
    behind = _first(lambda left: change(size - left, size) > CLOSE, 1, size)
    if upto is None or behind is None or upto == 1 or behind == 1:
        return None
    first, last = upto - 1, size - behind
    edges = change(first, first + hop), change(last + 1 - hop, last + 1)
    return (frame, first, last) if min(edges) > SHARP * change(0, size) else None


def find_offset(call: ModuleCall, hop: int, shift: int | None) -> float:
    """Samples from the start of a clip to the centre of frame 0.

    It is the middle of the receptive field, where that has sharp ends. A module that sees all of a clip, or forgets little by
    little, as attention and recurrent networks do, is taken for one with symmetric padding: its count of frames says where they
    are.
    """
    field = find_field(call, hop)
    if field is not None:
        frame, first, last = field
        return (first + last + 1) / 2 - frame * hop
    return hop / 2 if shift is None else (hop - shift) / 2


@torch.no_grad()
def is_padding_safe(call: ModuleCall, hop: int, shift: int, min_samples: int) -> bool:
    """Whether clips of different lengths give the same frames in a padded batch as alone."""
    sizes = [max(min_samples, size) for size in (31 * hop + hop // 3, 3 * hop, LONG * hop, 17 * hop + 1)]
    signal = call.noise(len(sizes), max(sizes), "padding")
    lengths = torch.tensor(sizes, device=signal.device)
    signal *= torch.arange(max(sizes), device=signal.device) < lengths[:, None, None]
    together = call.layers(signal, lengths)
    for place, size in enumerate(sizes):
        count = (size + shift) // hop
        for whole, alone in zip(together, call.layers(signal[place : place + 1, :, :size]), strict=True):
            gap = (whole[place, :count] - alone[0, :count]).abs().max()
            if not bool(gap <= CLOSE * alone.square().mean().sqrt().clamp(min=1e-12)):
                return False
    return True


def _first(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest number in a range for which a property holds that, once true, stays true; None if it never does."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def stack_alone(clips: list[list[torch.Tensor]]) -> Frames:
    """Frames of clips that ran one by one, as a padded batch."""
    lengths = torch.tensor([clip[0].shape[1] for clip in clips], device=clips[0][0].device)
    rows = zip(*clips, strict=True)
    layers = [pad_sequence([clip[0] for clip in row], batch_first=True) for row in rows]
    return Frames.from_layers(layers, lengths)
