"""Starting s3prl: torchaudio mended, the upstream registered first, arguments handed on; with stand-ins for both packages."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.exporters.s3prl import UpstreamExpert
from audiossl.kits import torchaudio_compat
from audiossl.kits.s3prl_launcher import main, prepare_s3prl


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """A torchaudio without the old functions and an s3prl that asks for one while it is imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchaudio", "s3prl")]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchaudio.py").write_text("")
    (tmp_path / "s3prl").mkdir()
    (tmp_path / "s3prl" / "__init__.py").write_text("")
    (tmp_path / "s3prl" / "hub.py").write_text("import torchaudio\ntorchaudio.set_audio_backend('sox_io')\n")
    (tmp_path / "s3prl" / "told.py").write_text("import sys\nfrom s3prl import hub\nhub.told = (__name__, sys.argv)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pytest"])
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchaudio", "s3prl")]:
        del sys.modules[name]


def test_modules_and_scripts_run_with_the_upstream_registered(packages):
    main(["-m", "s3prl.told", "SuperbSID", "--x", "1"])
    hub = sys.modules["s3prl.hub"]
    assert hub.audiossl is UpstreamExpert and hub.told[0] == "__main__" and hub.told[1][1:] == ["SuperbSID", "--x", "1"]
    (packages / "run.py").write_text((packages / "s3prl" / "told.py").read_text())
    main([str(packages / "run.py"), "-u", "audiossl"])
    assert hub.told[1][1:] == ["-u", "audiossl"]
    with pytest.raises(ConfigError, match="-m MODULE"):
        main(["-m"])


def test_a_torchaudio_that_fails_beside_this_torch_is_imported_without_its_library(packages):
    (packages / "torchaudio.py").unlink()
    (packages / "torchaudio").mkdir()
    (packages / "torchaudio" / "__init__.py").write_text("from . import _extension\nready = not _extension._IS_RIR_AVAILABLE\n")
    (packages / "torchaudio" / "_extension.py").write_text("raise OSError('libc10_cuda.so')\n")
    prepare_s3prl()
    assert sys.modules["torchaudio"].ready


def test_a_torchaudio_that_has_the_functions_is_left_alone(packages):
    (packages / "torchaudio.py").write_text("def set_audio_backend(name): pass\nload = 'its own'\n")
    prepare_s3prl()
    assert sys.modules["torchaudio"].load == "its own"


def test_a_missing_s3prl_is_said(packages):
    (packages / "s3prl" / "hub.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ConfigError, match=r"nothing_of_that_name.*audiossl kits make s3prl"):
        prepare_s3prl()


def test_files_are_read_and_written_as_torchaudio_did(tmp_path):
    signal = torch.rand(2, 1000) - 0.5
    torchaudio_compat.save(tmp_path / "a.wav", signal, 8000)
    samples, rate = torchaudio_compat.load(tmp_path / "a.wav", frame_offset=100, num_frames=50)
    assert rate == 8000 and samples.dtype == torch.float32
    torch.testing.assert_close(samples, signal[:, 100:150], atol=2**-15, rtol=0)
    assert torchaudio_compat.load(tmp_path / "a.wav", channels_first=False)[0].shape == (1000, 2)
    assert torchaudio_compat.info(tmp_path / "a.wav") == types.SimpleNamespace(sample_rate=8000, num_frames=1000, num_channels=2)


def test_effects_by_their_definitions(tmp_path):
    signal = torch.rand(2, 4000) - 0.5
    apply = torchaudio_compat.apply_effects_tensor
    louder, rate = apply(signal, 16000, [["channels", "1"], ["rate", "16000"], ["gain", "-20"]])
    torch.testing.assert_close(louder, 0.1 * signal.mean(0, keepdim=True))
    assert rate == 16000
    assert apply(signal, 16000, [["rate", "8000"]])[0].shape == (2, 2000)
    assert apply(signal, 16000, [["norm", "-6"]])[0].abs().max() == pytest.approx(10 ** (-6 / 20))
    assert apply(torch.zeros(1, 5), 16000, [["norm"]])[0].abs().max() == 0
    torchaudio_compat.save(tmp_path / "a.wav", signal, 16000)
    from_file, _ = torchaudio_compat.apply_effects_file(tmp_path / "a.wav", [["gain", "0"]], channels_first=False)
    torch.testing.assert_close(from_file, signal.T, atol=2**-15, rtol=0)
    for effect in (["silence", "1", "0.1", "0.1%"], ["channels", "2"]):
        with pytest.raises(ConfigError, match=effect[0]):
            apply(signal, 16000, [effect])
