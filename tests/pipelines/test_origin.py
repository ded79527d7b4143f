"""People of an encoder are also those of the encoders that it comes from."""

import torch

from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.pipelines.origin import people_of, trainings
from audiossl.pipelines.sensors.encoders import people_seen
from audiossl.signals.sensors.subjects import SubjectSides

FIRST = {"dataset": "first", "subjects": ["a", "b"], "fold": 0}
SECOND = {"dataset": "second", "subjects": ["x"], "start": FIRST}
THIRD = {"dataset": "first", "subjects": ["c"], "start": {"dataset": "third"}, "matched_by": SECOND}


def test_every_training_counts():
    assert [training["dataset"] for training in trainings(THIRD)] == ["first", "third", "second", "first"]
    assert people_of(THIRD, "first") == {"a", "b", "c"} and people_of(THIRD, "second") == {"x"}
    assert people_of({}, "first") == people_of({"dataset": "first"}, "first") == set()


def test_the_people_of_an_encoder_that_was_continued_elsewhere_are_not_hidden(tmp_path):
    torch.manual_seed(0)
    encoder = SensorEncoder(ResNet1d(1, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), SensorInput(("x",), ("g",), 50.0))
    encoder.save(tmp_path / "encoder", SECOND)
    sides = [SubjectSides(("a",), ("c",), ("b",)), SubjectSides(("a",), ("b",), ("c",))]
    assert people_seen(str(tmp_path / "encoder"), "first", sides) == (SECOND, ["b"])
    assert people_seen(str(tmp_path / "encoder"), "second", sides) == (SECOND, [])
