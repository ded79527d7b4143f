"""GMML: what is corrupted, and the errors of what is rebuilt."""

from dataclasses import replace

import pytest
import torch
from window_examples import reorder, small_resnet, windows

from audiossl.errors import ConfigError
from audiossl.objectives.gmml import FILLS, GMML, GMMLConfig, corrupt, draw_spans, spectral_error
from audiossl.objectives.other_windows import OtherWindows


def make(**options):
    torch.manual_seed(0)
    return GMML(small_resnet(), GMMLConfig(**{"decoder": [16], **options})).eval()


@pytest.mark.parametrize("length", [2, 7, 64, 1000])
def test_half_to_three_quarters_are_covered_by_long_spans(length):
    for seed in range(50):
        spans = draw_spans(length, GMMLConfig(), torch.Generator().manual_seed(seed))
        covered = torch.zeros(length, dtype=torch.bool)
        for start, stop, fill in spans:
            assert 0 <= start < stop <= length and stop - start <= max(1, round(0.3 * length)) and fill in FILLS
            covered[start:stop] = True
        assert round(0.5 * length) <= int(covered.sum()) <= round(0.75 * length)
        assert all(stop - start >= round(0.1 * length) for start, stop, _ in spans[:-1]), "only the last one is cut short"


def test_each_fill_is_what_it_says():
    batch = windows(4, 64, lengths=[64, 64, 20, 64])
    for fill in FILLS:
        out, changed = corrupt(batch, GMMLConfig(fills=[fill]))
        assert torch.equal(out[~changed[:, None].expand_as(out)], batch.signal[~changed[:, None].expand_as(out)])
        assert not bool(changed[2, 20:].any()) and not bool(out[2, :, 20:].any()), "padding stays zero"
        filled = out[0, :, changed[0]]
        if fill == "zeros":
            assert not bool(filled.any())
        elif fill == "own":
            known = {tuple(column) for column in batch.signal[0].T.tolist()}
            assert all(tuple(column) in known for column in filled.T.tolist())
        elif fill == "noise":
            wide = replace(batch, signal=7 + 3 * torch.randn(1, 6, 4000), lengths=torch.tensor([4000]), ids=["a"], subjects=["s"])
            out, changed = corrupt(wide, GMMLConfig(fills=[fill]))
            filled = out[0, :, changed[0]]
            assert float(filled.mean()) == pytest.approx(7, abs=0.15) and float(filled.std()) == pytest.approx(3, abs=0.15)
        else:
            other = OtherWindows(batch.ids, (batch.seed, batch.epoch)).of(batch.signal)[0]
            size = int(OtherWindows(batch.ids, (batch.seed, batch.epoch)).of(batch.lengths)[0])
            places = changed[0].nonzero()[:, 0]
            assert torch.equal(filled, other[:, places % size])


@torch.no_grad()
def test_the_loss_is_the_error_of_what_was_changed_in_each_window():
    objective, batch = make(), windows(5, lengths=[64, 40, 64, 9, 50])
    out, changed = corrupt(batch, objective.config)
    rebuilt = objective.decoder(objective.encoder(out, batch.lengths).last, 64)
    errors = [(rebuilt[i] - batch.signal[i])[:, changed[i]].abs().mean() for i in range(5)]
    assert objective(batch).mean() == pytest.approx(float(torch.stack(errors).mean()), rel=1e-5)


def test_what_was_left_alone_has_no_gradient():
    objective, batch = make(), windows(3)
    _, changed = corrupt(batch, objective.config)
    rebuilt = torch.randn(3, 6, 64, requires_grad=True)
    objective.decoder.forward = lambda frames, size: rebuilt
    objective(batch).total.backward()
    assert rebuilt.grad is not None and torch.equal(rebuilt.grad.any(1), changed)


def test_norms_keep_the_statistics_of_windows_as_they_are():
    objective, batch, plain = make().train(), windows(6), small_resnet().train()
    objective(batch).total.backward()
    plain(batch.signal, batch.lengths)
    for name, value in plain.named_buffers():
        if "running" in name:
            torch.testing.assert_close(objective.encoder.get_buffer(name), value)


def test_the_pass_without_gradients_takes_none_from_the_other_under_autocast():
    objective = make().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective(windows(6))
    loss.total.backward()
    assert all(param.grad is not None and bool(param.grad.any()) for param in objective.encoder.parameters() if param.ndim > 1)


def test_a_window_that_is_rebuilt_has_no_loss():
    objective, batch = make(spectral=1.0, resolutions=[16]), windows(3)
    objective.decoder.forward = lambda frames, size: batch.signal
    assert objective(batch).means() == {"absolute": 0.0, "spectral": 0.0}


def test_spectra_are_those_of_frames_inside_the_window():
    clean, rebuilt = torch.randn(2, 2, 1, 96)
    changed, lengths = torch.zeros(2, 96, dtype=torch.bool), torch.tensor([96, 50])
    changed[:, 40:44] = True
    found = spectral_error(rebuilt, clean, changed, lengths, 16)
    for row in range(2):
        errors = []
        for start in range(0, int(lengths[row]) - 15, 4):
            if start <= 43 and start + 16 > 40:
                pair = [(x[row, 0, start : start + 16] * torch.hann_window(16)) for x in (rebuilt, clean)]
                spectra = [torch.fft.rfft(x).abs() / 4 for x in pair]
                errors.append(float((spectra[0] - spectra[1]).abs().mean()))
        assert float(found[row]) == pytest.approx(sum(errors) / len(errors), rel=1e-3)
    wide = [torch.nn.functional.pad(x, (0, 40)) for x in (rebuilt, clean)]
    torch.testing.assert_close(spectral_error(*wide, torch.nn.functional.pad(changed, (0, 40)), lengths, 16), found)
    assert spectral_error(rebuilt, clean, changed, lengths, 128).tolist() == [0.0, 0.0]


def test_order_and_padding_with_spectra():
    objective, batch = make(spectral=0.5, resolutions=[16, 32]), windows(6, lengths=[64, 40, 64, 33, 64, 20])
    wanted = objective(batch).mean()
    assert objective(reorder(batch, [3, 0, 5, 1, 4, 2])).mean() == pytest.approx(wanted, rel=1e-5)
    wider = replace(batch, signal=torch.nn.functional.pad(batch.signal, (0, 32)))
    assert objective(wider).mean() == pytest.approx(wanted, rel=1e-5)


def test_half_precision_is_close():
    objective, batch = make(), windows(6)
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(batch).mean()
    assert found == pytest.approx(objective(batch).mean(), rel=2e-3)


def test_a_waveform_through_another_encoder():
    from audiossl.models.zipformer import Zipformer

    torch.manual_seed(0)
    objective = GMML(Zipformer.from_preset("tiny"), GMMLConfig(spectral=1.0, decoder=[])).eval()
    batch = replace(windows(2), signal=torch.randn(2, 1, 8000), lengths=torch.tensor([8000, 6000]), rate=16000.0)
    batch.signal[1, :, 6000:] = 0
    wider = replace(batch, signal=torch.nn.functional.pad(batch.signal, (0, 1600)))
    assert objective(wider).mean() == pytest.approx(objective(batch).mean(), rel=1e-4)
    assert objective.decoder.hop * objective.encoder.last_frame_rate == 16000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 0.8}, "0 < least <= most < 1"),
        ({"shortest": 0.0}, "0 < shortest <= longest < 1"),
        ({"fills": ["mud"]}, r"expected fills of noise, zeros, own, alien, got \['mud'\]"),
        ({"fills": []}, "expected fills"),
        ({"spectral": -1.0}, "spectral of at least 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GMMLConfig(**options)
