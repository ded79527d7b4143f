"""Frames of two crops at the same times of the signal that both were cut from."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from audiossl.models.encoder import Encoder, Frames, last_offset
from audiossl.objectives.crops import Crops


def on_shared_axis(
    encoder: Encoder, first: Frames, second: Frames, crops: Crops
) -> tuple[Float[Tensor, "M D"], Float[Tensor, "M D"], Int[Tensor, "B"]]:
    """Interpolate the final frames of both crops at the times that they share.

    The times of an item begin where both crops have frames, and follow each other as frames of the uncropped signal do. Crops
    whose frames do not overlap share one time, half way between them. A value between two frames is on the straight line.

    Args:
        encoder: encoder of both, which says where in a crop its frames are.
        first, second: frames of the first and of the second crops.
        crops: where they lie.

    Returns:
        frames of all items one after the other, of the first and of the second crop, in float32; and the number of each item,
        which is 0 where a crop is too short to have a frame.
    """
    axis = _Axis(encoder)
    counts = torch.stack([first.last_lengths, second.last_lengths], 1)
    ends = torch.stack([axis.times(crops, torch.zeros_like(counts)), axis.times(crops, counts - 1)])  # (2, B, 2)
    low, high = ends.amin(0).amax(1), ends.amax(0).amin(1)
    num = ((high - low) / axis.hop + 1e-6).floor().clamp(min=0).long() + 1
    low = torch.where(high < low, (low + high) / 2, low)
    num = num * (counts > 0).all(1)
    owner = torch.arange(len(num), device=num.device).repeat_interleave(num)
    step = torch.arange(len(owner), device=num.device) - (num.cumsum(0) - num)[owner]
    places = axis.places(crops, owner, low[owner] + step * axis.hop)
    rows = [_read(frames, owner, places[:, view]) for view, frames in enumerate((first, second))]
    return rows[0], rows[1], num


class _Axis:
    """Places of frames, counted from 0, and times of the signal, counted in samples."""

    def __init__(self, encoder: Encoder) -> None:
        self.hop = encoder.sample_rate / encoder.last_frame_rate
        self.offset = last_offset(encoder) * encoder.sample_rate

    def times(self, crops: Crops, frame: Int[Tensor, "B 2"]) -> Float64[Tensor, "B 2"]:
        return crops.start.double() + crops.speed.double() * (self.offset + self.hop * frame)

    def places(self, crops: Crops, owner: Int[Tensor, "M"], times: Float64[Tensor, "M"]) -> Float64[Tensor, "M 2"]:
        of_crop = (times[:, None] - crops.start[owner]) / crops.speed[owner]
        return (of_crop - self.offset) / self.hop


def _read(frames: Frames, owner: Int[Tensor, "M"], place: Float64[Tensor, "M"]) -> Float[Tensor, "M D"]:
    last = (frames.last_lengths - 1)[owner]
    place = torch.minimum(place.clamp(min=0), last)
    left = place.floor().long()
    share = (place - left).float()[:, None]
    values = frames.last.float()
    return values[owner, left] * (1 - share) + values[owner, torch.minimum(left + 1, last)] * share
