import torch

from audiossl.models.encoder import Frames
from audiossl.objectives.pooling import mean_frame


def test_only_valid_frames_count():
    last = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [float("nan")], [7.0]]])
    frames = Frames.from_layers([last], torch.tensor([2, 1]))
    assert mean_frame(frames).tolist() == [[2.0], [5.0]]
