"""Leave one group out: who is trained on, how layers are chosen, and honest chance."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import DataError
from audiossl.evaluation import folded_clip_task
from audiossl.evaluation.folded_clip_task import FoldedClipTask

KITS, PER_KIT = 6, 12


def kits(generator_seed=0):
    """Two classes; layer 1 tells them apart, layer 0 is noise."""
    generator = torch.Generator().manual_seed(generator_seed)
    labels, groups, layers = {}, {}, [{}, {}]
    for kit in range(KITS):
        for number in range(PER_KIT):
            id_ = f"{kit}-{number:02d}"
            labels[id_], groups[id_] = "kick" if number % 2 else "snare", f"kit {kit}"
            noise = torch.randn(2, 5, generator=generator)
            layers[0][id_] = noise[0]
            layers[1][id_] = noise[1] + 6 * (number % 2)
    return labels, groups, layers


def test_the_layer_that_tells_classes_apart_is_chosen_for_each_group():
    labels, groups, layers = kits()
    outcome = FoldedClipTask("drums", "class", labels, groups).run("student", [layer.__getitem__ for layer in layers])
    assert outcome.chosen == {"layer 1": KITS}
    assert outcome.rows[0].value > 0.95 and outcome.rows[0].n == KITS * PER_KIT
    assert outcome.total.tolist() == [PER_KIT] * KITS
    noise = FoldedClipTask("drums", "class", labels, groups).run("noise", [layers[0].__getitem__])
    assert 0.3 < noise.rows[0].value < 0.7


def test_a_group_is_never_seen_by_the_probe_or_the_choice_that_it_is_tested_with(monkeypatch):
    labels, groups, layers = kits()
    task = FoldedClipTask("drums", "class", labels, groups)
    vectors = torch.stack([layers[1][id_] for id_ in task.ids])
    seen: list[set[int]] = []
    fit = folded_clip_task.fit_probe_path

    def watched(x, y, *args):
        rows = {int((vectors == row).all(1).nonzero()[0, 0]) for row in x}
        seen.append({int(task.group[row]) for row in rows})
        return fit(x, y, *args)

    monkeypatch.setattr(folded_clip_task, "fit_probe_path", watched)
    task.run("student", [layers[1].__getitem__])
    everyone = set(range(KITS))
    pairs, finals = seen[: KITS * (KITS - 1) // 2], seen[KITS * (KITS - 1) // 2 :]
    assert all(len(everyone - trained) == 2 for trained in pairs)
    assert [everyone - trained for trained in finals] == [{kit} for kit in range(KITS)]


def test_two_groups_are_too_few():
    labels, groups, _ = kits()
    with pytest.raises(DataError, match="at least 3 groups"):
        FoldedClipTask("drums", "class", labels, {id_: str(int(kit[-1]) % 2) for id_, kit in groups.items()})
