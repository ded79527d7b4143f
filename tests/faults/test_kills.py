"""kill -9 at random moments: the same command again ends with the bytes of a run that was never killed."""

from __future__ import annotations

import random
import shutil
import signal

import pytest
from commands import contents, interrupt, losses, run

from audiossl.embedding.store import EmbeddingStore
from audiossl.tokens.store import TokenStore

pytestmark = pytest.mark.slow

STAGES = ["corpus", "quantiser", "token_quality", "tokens", "pretrain", "embed", "evaluate"]


def kill_and_repeat(words, whole, key, moment, out):
    """Kill a command that makes the folder `out` somewhere in it, then let it end."""
    draw = random.Random(f"{key} {moment}")
    for _ in range(10):
        shutil.rmtree(out, ignore_errors=True)
        ended = interrupt(words, whole.log, draw.uniform(0.02, 1.0) * whole.seconds[key], signal.SIGKILL)
        if ended.code == -signal.SIGKILL:
            break
        whole.seconds[key] *= 0.8  # it was measured on a busier machine
    else:
        pytest.fail("it always ended before it was killed")
    again = run(words, whole.log)
    assert again.code == 0, again.printed


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_killed(stage, moment, whole):
    words = [*whole.words, "--to", stage]
    if stage not in whole.seconds:
        shutil.rmtree(whole.output / stage)
        whole.seconds[stage] = run(words, whole.log).seconds
    kill_and_repeat(words, whole, stage, moment, whole.output / stage)
    assert contents(whole.output) == whole.contents
    assert losses(whole.output) == whole.losses


def test_a_whole_run_is_killed(moment, whole):
    kill_and_repeat(whole.words, whole, "run", moment, whole.output)
    assert contents(whole.output) == whole.contents
    assert losses(whole.output) == whole.losses
    again = run([*whole.words, "--verify"], whole.log)
    assert again.code == 0, again.printed


def killed(words, whole, key, moment, out, read):
    """What `read` makes of the folder `out` after a straight command, and after one that was killed and repeated."""
    if key not in whole.seconds:
        first = run(words, whole.log)
        assert first.code == 0, first.printed
        whole.seconds[key], whole.expected[key] = first.seconds, read(out)
    kill_and_repeat(words, whole, key, moment, out)
    return whole.expected[key], read(out)


def test_embedding_is_killed(moment, whole, melodies):
    out = whole.log.with_name("store")
    words = ["embed", str(whole.output), str(melodies), "--out", str(out)]
    before, after = killed(words, whole, "embedding", moment, out, contents)
    assert after == before and len(EmbeddingStore.open(out)) == 24


def test_fitting_a_tokeniser_is_killed(moment, whole, melodies):
    out = whole.log.with_name("tokeniser")
    words = ["tokens", "fit", str(melodies), "--teacher", "logmel", "--num-codebooks", "2", "--codebook-size", "16"]
    before, after = killed([*words, "--frames", "900", "--out", str(out)], whole, "fit", moment, out, contents)
    assert after == before


def test_tokenising_is_killed(moment, whole, melodies):
    """Shards end when so much time has passed, so it is the codes that are compared."""
    tokeniser, out = whole.log.with_name("tokeniser"), whole.log.with_name("codes")
    words = ["tokens", "encode", str(melodies), "--tokeniser", str(tokeniser), "--out", str(out)]
    before, after = killed(words, whole, "encode", moment, out, codes_of)
    assert after == before and len(after) == 24


def codes_of(folder):
    store = TokenStore.open(folder)
    return {f"{number:02d}": store[name].numpy().tobytes() for number, name in enumerate(sorted(store.cut_ids()))}
