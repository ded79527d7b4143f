from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.embedding.windows import FrameBuffer, default_window_seconds, grid_step, iterate_windows, plan_windows
from audiossl.errors import ConfigError


def test_step_holds_whole_frames_of_layers_and_final_output(toy):
    assert grid_step(toy) == 40  # a frame is 20 samples, a frame of the final output 40
    toy.last_frame_rate = toy.frame_rate
    assert grid_step(toy) == 20
    toy.frame_rate = toy.last_frame_rate = 49.7
    with pytest.raises(ConfigError, match="alignment"):
        grid_step(toy)


def test_plan_rounds_up_and_refuses_windows_without_a_core(toy):
    plan = plan_windows(toy, 1.03, 0.13)
    assert (plan.window, plan.context, plan.hop) == (1040, 160, 720)
    assert plan_windows(toy, 1.0, 0.0).context >= toy.min_samples
    with pytest.raises(ConfigError, match="twice its context"):
        plan_windows(toy, 0.3, 0.15)


def test_slow_signals_get_windows_counted_in_frames():
    assert default_window_seconds(16000.0, 50.0) == (30.0, 2.0)
    assert default_window_seconds(1 / 0.72, 1 / 0.72)[0] == pytest.approx(4096 * 0.72)


@settings(max_examples=60, deadline=None)
@given(total=st.integers(1, 5000), block=st.integers(1, 900), seconds=st.floats(0.3, 1.5))
def test_windows_cover_the_signal_once_whatever_the_blocks(make_toy, total, block, seconds):
    plan = plan_windows(make_toy(), seconds, 0.1)
    signal = torch.arange(total, dtype=torch.float32)[None]
    kept = []
    windows = list(iterate_windows(signal.split(block, dim=1), plan))
    for window in windows:
        assert window.signal.shape[1] <= plan.window
        assert torch.equal(window.signal[0], signal[0, window.start : window.start + window.signal.shape[1]])
        # one "frame" a sample: the kept part is a slice of the window itself
        kept.append(window.signal[:, window.kept(plan, 1.0, window.signal.shape[1])])
    assert torch.equal(torch.cat(kept, dim=1), signal)
    assert [window.is_last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert all(window.start % plan.step == 0 for window in windows)


def test_buffer_grows_past_its_capacity():
    pieces = torch.randn(2, 50, 3).split([1, 30, 4, 15], dim=1)
    buffer = FrameBuffer(5)
    for piece in pieces:
        buffer.append(piece)
    assert torch.equal(buffer.frames(), torch.cat(pieces, dim=1))
