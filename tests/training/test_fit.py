"""The loop: what a step computes, and that an interrupted run ends where an uninterrupted one does, bit for bit."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from audiossl.errors import ConfigError, DataError
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Objective
from audiossl.seeds import derive_generator
from audiossl.training.backward import OUT_OF_MEMORY
from audiossl.training.batches import FunctionBatches
from audiossl.training.checkpoints import latest_checkpoint, list_checkpoints
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

CONFIG = TrainingConfig(
    optimiser="adamw", lr=0.01, schedule="cosine", warmup_steps=3, max_steps=17, batch_seconds=8.0, validate_every=0,
    checkpoint_every=4, log_every=1, keep=2, health_frames=0, seed=5, device="cpu", tensorboard=False,
)  # fmt: skip


@dataclass
class Items:
    """A batch of vectors, a second of signal each."""

    x: torch.Tensor
    ids: list[str] = field(default_factory=lambda: ["some-item"])

    @property
    def seconds(self):
        return float(len(self.x))

    def to(self, device):
        return replace(self, x=self.x.to(device))


class Regression(Objective):
    """Learns sin(x) with dropout; the loss is a sum over items."""

    def __init__(self, dropout=0.2):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4), nn.Tanh(), nn.Linear(4, 4))
        self.scale = nn.Parameter(torch.ones(()))
        self.calls, self.die_at = 0, None

    def forward(self, batch):
        self.calls += 1
        if self.calls == self.die_at:
            raise KeyboardInterrupt
        error = (self.net(batch.x) * self.scale - batch.x.sin()).square().sum(dim=1)
        return Loss(error.sum(), float(len(error)), {"error": Ratio(error.detach().sum(), len(error))})


def batches(epoch, first, per_step=1):
    """Five batches of unequal sizes an epoch; torch's own random state is disturbed, as loaders do."""
    for index in range(first * per_step, 5):
        torch.rand(3)
        yield Items(torch.randn(3 + index, 4, generator=derive_generator(9, epoch, index)))


def rows(folder, split="train"):
    return [row for line in (folder / "metrics.jsonl").read_text().splitlines() if (row := json.loads(line))["split"] == split]


def same_weights(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("optimiser", ["adamw", "scaled_adam"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_resumed_run_equals_uninterrupted_run_bit_for_bit(tmp_path, optimiser, accumulate):
    config = replace(CONFIG, optimiser=optimiser, accumulate=accumulate, average_every=2)
    straight = Regression()
    fit(straight, batches, config, tmp_path / "straight")
    killed = Regression()
    killed.die_at = 11 * accumulate + 1
    with pytest.raises(KeyboardInterrupt):
        fit(killed, batches, config, tmp_path / "killed")
    resumed = Regression()
    torch.rand(17)
    result = fit(resumed, batches, config, tmp_path / "killed")
    assert resumed.calls < 17 * accumulate, "it should not have started again"
    assert result.progress.step == 17
    assert same_weights(straight, resumed)
    last, other = (latest_checkpoint(tmp_path / name / "checkpoints").state for name in ("straight", "killed"))
    for name in last["model"]:
        assert torch.equal(last["model"][name], other["model"][name])
    losses = [[(row["step"], row["loss"]) for row in rows(tmp_path / name)] for name in ("straight", "killed")]
    assert losses[0] == losses[1]
    assert [step for step, _ in losses[0]] == list(range(1, 18))


@pytest.mark.slow
def test_killed_process_resumes(tmp_path):
    """The same with a real kill, in the middle of a step."""
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import test_fit as t\n"
        "class Dies(t.Regression):\n"
        "    def forward(self, batch):\n"
        "        if self.calls == 9: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().forward(batch)\n"
        "t.fit(Dies(), t.batches, t.CONFIG, Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "killed")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert latest_checkpoint(tmp_path / "killed/checkpoints").state["step"] == 8
    resumed, straight = Regression(), Regression()
    fit(resumed, batches, CONFIG, tmp_path / "killed")
    fit(straight, batches, CONFIG, tmp_path / "straight")
    assert same_weights(straight, resumed)


def test_damaged_newest_checkpoint_is_passed_over(tmp_path, capsys):
    straight, resumed = Regression(), Regression()
    fit(straight, batches, CONFIG, tmp_path)
    newest = list_checkpoints(tmp_path / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:100])
    fit(resumed, batches, CONFIG, tmp_path)
    assert f"{newest} is damaged" in capsys.readouterr().err
    assert same_weights(straight, resumed)


@pytest.mark.parametrize("optimiser", ["adamw", "scaled_adam"])
def test_accumulation_equals_the_big_batch(tmp_path, optimiser):
    """Batches of unequal sizes: a mean of means would be wrong here."""
    config = replace(CONFIG, optimiser=optimiser, max_steps=6)

    def whole(epoch, first, per_step):
        for index in range(first, 2):
            together = [batch.x for batch in list(batches(epoch, 0))[index * 2 : index * 2 + 2]]
            yield Items(torch.cat(together))

    def pieces(epoch, first, per_step):
        return list(batches(epoch, 0))[first * per_step : 4]

    one, two = Regression(dropout=0.0), Regression(dropout=0.0)
    fit(one, whole, config, tmp_path / "one")
    fit(two, pieces, replace(config, accumulate=2), tmp_path / "two")
    assert two.calls == 2 * one.calls
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    for a, b in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        assert a["error"] == pytest.approx(b["error"], rel=1e-5)


def test_one_step_by_hand(tmp_path):
    """SGD-like check of normalisation and clipping: AdamW's first step from known gradients."""
    objective, by_hand = Regression(dropout=0.0), Regression(dropout=0.0)
    config = replace(CONFIG, max_steps=1, warmup_steps=0, clip=0.01)
    fit(objective, batches, config, tmp_path)
    loss = by_hand(next(iter(batches(0, 0))))
    (loss.total / loss.weight).backward()
    norm = nn.utils.clip_grad_norm_(by_hand.parameters(), 0.01)
    decay = [param for param in by_hand.parameters() if param.ndim > 1]
    rest = [param for param in by_hand.parameters() if param.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98)).step()
    for a, b in zip(objective.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-6)
    assert rows(tmp_path)[0]["grad_norm"] == pytest.approx(norm.item(), rel=1e-5)
    assert rows(tmp_path)[0]["loss"] == pytest.approx(loss.mean(), rel=1e-6)


def test_epochs_progress_and_validation(tmp_path):
    objective = Regression()
    config = replace(CONFIG, max_steps=None, epochs=2.0, accumulate=2, validate_every=4)
    result = fit(
        objective,
        FunctionBatches(batches, lambda n: math.ceil(5 / n)),
        config,
        tmp_path,
        validation=lambda: list(batches(100, 0)),
    )
    assert result.progress.step == 6, "3 steps an epoch, the last of one batch"
    assert result.progress.seconds == 2 * (3 + 4 + 5 + 6 + 7)
    assert [row["step"] for row in rows(tmp_path, "validation")] == [4, 6]
    objective.eval()
    errors = torch.cat(
        [(objective.net(batch.x) * objective.scale - batch.x.sin()).square().sum(dim=1) for batch in batches(100, 0)]
    )
    assert result.validation["loss"] == pytest.approx(errors.mean().item(), rel=1e-5), "mean over items, not over batches"
    assert result.checkpoint == tmp_path / "checkpoints/step-00000006.pt"
    assert len(list_checkpoints(tmp_path / "checkpoints")) == 2


def test_a_run_that_ended_before_its_result_was_written_down_still_knows_it(tmp_path):
    ends = [fit(Regression(), batches, CONFIG, tmp_path, validation=lambda: list(batches(100, 0))) for _ in range(2)]
    assert ends[0].validation["loss"] > 0 and ends[1].validation == ends[0].validation


def test_a_finished_run_is_not_touched(tmp_path):
    fit(Regression(), batches, CONFIG, tmp_path)
    objective = Regression()
    result = fit(objective, batches, CONFIG, tmp_path)
    assert objective.calls == 0
    assert result.progress.step == 17
    longer = fit(objective, batches, replace(CONFIG, max_steps=19), tmp_path)
    assert longer.progress.step == 19
    assert objective.calls == 2


def test_average_of_the_last_interval(tmp_path):
    seen = []

    class Watched(Regression):
        def after_step(self, step):
            seen.append(self.scale.item())

    objective = Watched()
    fit(objective, batches, replace(CONFIG, max_steps=16, average_every=1, keep=3), tmp_path)
    # Checkpoints 8, 12 and 16 are kept: the average is over steps 9 to 16.
    assert objective.scale.item() == pytest.approx(sum(seen[8:]) / 8, rel=1e-6)


def test_hooks_see_steps_and_seconds(tmp_path):
    calls = []

    class Hooked(Regression):
        def before_step(self, step, seconds):
            calls.append(("before", step, seconds))

        def after_step(self, step):
            calls.append(("after", step))

    fit(Hooked(), batches, replace(CONFIG, max_steps=2), tmp_path)
    assert calls == [("before", 0, 0.0), ("after", 1), ("before", 1, 3.0), ("after", 2)]


def skipped(folder):
    return [json.loads(line) for line in (folder / "skipped.jsonl").read_text().splitlines()]


def test_a_bad_batch_is_left_out_and_many_end_the_run(tmp_path, capsys):
    def with_bad(bad):
        def train(epoch, first, per_step):
            for index, batch in enumerate(batches(epoch, first), start=first):
                yield Items(batch.x * math.nan, ["broken-7"]) if index in bad else batch

        return train

    objective = Regression()
    fit(objective, with_bad({1}), CONFIG, tmp_path / "one")
    assert all(param.isfinite().all() for param in objective.parameters())
    assert "broken-7" in capsys.readouterr().err
    assert [(row["step"], row["items"]) for row in skipped(tmp_path / "one")] == [(step, ["broken-7"]) for step in (1, 6, 11, 16)]
    assert rows(tmp_path / "one")[-1]["skipped"] == 4
    with pytest.raises(DataError, match=r"no finite gradient in 10 steps in a row; their items are in .*skipped\.jsonl"):
        fit(Regression(), with_bad(set(range(5))), CONFIG, tmp_path / "all")
    assert len(skipped(tmp_path / "all")) == 10


class Small(Regression):
    """Has room for five items at once."""

    def forward(self, batch):
        if len(batch.x) > 5 or "huge" in batch.ids:
            error = self.net(batch.x).square().sum()
            error.backward()  # a part of the gradients is there when memory runs out
            raise OUT_OF_MEMORY("tried to allocate 7 GiB\nand so on")
        return super().forward(batch)


@dataclass
class Divisible(Items):
    """Items that can be halved."""

    def halves(self):
        middle = len(self.x) // 2
        parts = (slice(middle), slice(middle, None))
        return [Divisible(self.x[part], self.ids[part]) for part in parts] if middle else []


def divisible(epoch, first, per_step=1):
    for batch in batches(epoch, first, per_step):
        yield Divisible(batch.x, [f"item-{i}" for i in range(len(batch.x))])


def test_what_does_not_fit_into_memory_is_halved(tmp_path):
    straight, small = Regression(dropout=0.0), Small(dropout=0.0)
    config = replace(CONFIG, accumulate=2, max_steps=6)
    fit(straight, divisible, config, tmp_path / "straight")
    fit(small, divisible, config, tmp_path / "small")
    for a, b in zip(straight.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert not (tmp_path / "small" / "skipped.jsonl").exists()


def test_one_item_that_does_not_fit_is_left_out_and_listed(tmp_path):
    def with_huge(epoch, first, per_step):
        for batch in divisible(epoch, first):
            yield Divisible(torch.cat([batch.x, batch.x[:1]]), [*batch.ids, "huge"])

    straight, small = Regression(dropout=0.0), Small(dropout=0.0)
    fit(straight, divisible, replace(CONFIG, max_steps=3), tmp_path / "straight")
    fit(small, with_huge, replace(CONFIG, max_steps=3), tmp_path / "small")
    for a, b in zip(straight.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert [(row["step"], row["items"]) for row in skipped(tmp_path / "small")] == [(step, ["huge"]) for step in range(3)]
    with pytest.raises(ConfigError, match=r"a batch of 6 s does not fit .*7 GiB\)\. Lower training\.batch_seconds"):
        fit(Small(), batches, CONFIG, tmp_path / "cannot")  # Items know no halves


def spiking(at):
    def train(epoch, first, per_step):
        for index, batch in enumerate(batches(epoch, first), start=first):
            yield Items(batch.x * 1e4, ["loud"]) if 5 * epoch + index in at else batch

    return train


def test_a_spike_goes_back_to_the_newest_checkpoint_and_on_with_the_data(tmp_path):
    config = replace(CONFIG, max_steps=70, rollback_above=5.0, checkpoint_every=10)

    class Wide(Regression):  # its loss grows with its input
        def forward(self, batch):
            loss = super().forward(batch)
            far = (self.scale * batch.x).square().sum() * 1e-4
            return Loss(loss.total + far, loss.weight)

    straight = Wide()
    fit(straight, spiking({63}), config, tmp_path / "straight")
    assert [(row["step"], row["items"]) for row in skipped(tmp_path / "straight")] == [(63, ["loud"])]
    assert (
        "back to" in skipped(tmp_path / "straight")[0]["reason"]
        and "step-00000060.pt" in skipped(tmp_path / "straight")[0]["reason"]
    )
    # The step after the spike starts from the weights of step 60; a run that was killed in between says the same.
    killed = Wide()
    killed.die_at = 67
    with pytest.raises(KeyboardInterrupt):
        fit(killed, spiking({63}), config, tmp_path / "killed")
    resumed = Wide()
    fit(resumed, spiking({63}), config, tmp_path / "killed")
    assert same_weights(straight, resumed)
    assert [row["step"] for row in skipped(tmp_path / "killed")] == [63]
    with pytest.raises(DataError, match=r"after 3 returns to the newest checkpoint\. Lower training\.lr"):
        fit(Wide(), spiking(set(range(61, 70))), config, tmp_path / "diverging")
    with pytest.raises(ConfigError, match="rollback_above should be 0, or above 1"):
        replace(CONFIG, rollback_above=0.5)


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="set max_steps"):
        fit(Regression(), batches, replace(CONFIG, max_steps=None), tmp_path / "a")
    with pytest.raises(ConfigError, match="epoch 0 does not fill a step of 1 batches"):
        fit(Regression(), lambda epoch, first, per_step: [], CONFIG, tmp_path / "b")
    fit(Regression(), batches, CONFIG, tmp_path / "c")
    with pytest.raises(ConfigError, match=r"lr=0.01 \(now 0.5\)"):
        fit(Regression(), batches, replace(CONFIG, lr=0.5), tmp_path / "c")
    with pytest.raises(ConfigError, match="such devices"):
        fit(Regression(), batches, replace(CONFIG, device="cuda:77"), tmp_path / "d")
    with pytest.raises(ConfigError, match="accumulate should be above 0"):
        replace(CONFIG, accumulate=0)


def test_bf16_on_request(tmp_path):
    objective = Regression()
    fit(objective, batches, replace(CONFIG, precision="bf16", max_steps=3), tmp_path)
    assert objective.net[0].weight.dtype == torch.float32
    plain = Regression()
    fit(plain, batches, replace(CONFIG, max_steps=3), tmp_path / "plain")
    assert not same_weights(objective, plain)
