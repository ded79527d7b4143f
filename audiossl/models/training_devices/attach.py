"""Puts the devices on a Zipformer, and takes them off."""

from __future__ import annotations

import math

from audiossl.models.frontend import Conv1dFrontend, Conv2dFrontend
from audiossl.models.training_devices.frontend import Conv1dFrontendInTraining, Conv2dFrontendInTraining
from audiossl.models.training_devices.layer import LayerInTraining
from audiossl.models.training_devices.limits import ParameterLimit
from audiossl.models.training_devices.options import TrainingDevices
from audiossl.models.training_devices.schedule import Schedule
from audiossl.models.training_devices.workshop import Workshop
from audiossl.models.zipformer_config import ZipformerConfig
from audiossl.models.zipformer_stack import Stacks

WARMUP = 4000.0  # adjusted batches until all layers have come in
FIRST_LAYER_SKIP, LAST_LAYER_SKIP = 0.5, 0.035
BYPASS_LOW = Schedule((0, 0.9), (20000, 0.2))


class AttachedDevices:
    """The devices of one model, and what they share.

    Args:
        config: configuration of the model.
        frontend: front end of the model.
        stacks: the model's layers.
        options: devices that are on.
        seconds_per_step: nominal seconds of signal of an optimiser step, over all ranks.
    """

    def __init__(
        self,
        config: ZipformerConfig,
        frontend: Conv1dFrontend | Conv2dFrontend,
        stacks: Stacks,
        options: TrainingDevices,
        seconds_per_step: float,
    ) -> None:
        self.frontend, self.stacks = frontend, stacks
        self.shop, self.seconds_per_step = Workshop(options), seconds_per_step
        self.limits: list[ParameterLimit] = []
        conv2d = config.frontend == "conv2d"
        frontend.devices = Conv2dFrontendInTraining(self.shop) if conv2d else Conv1dFrontendInTraining(self.shop)
        for stack, layers in enumerate(stacks.layers_by_stack()):
            for index, layer in enumerate(layers):
                layer.devices = LayerInTraining(
                    self.shop,
                    config.num_heads[stack],
                    layer_skip(config.downsampling_factor, stack, index, len(layers)),
                    config.encoder_unmasked_dim[stack],
                    is_first=index == 0,
                )
        for module in (*frontend.modules(), *stacks.modules()):
            names = {name for name, _ in module.named_parameters(recurse=False)}
            if options.bypass_limits and "bypass_scale" in names:
                self.limits.append(ParameterLimit(module, "bypass_scale", BYPASS_LOW, 1.0, self.shop.clock))
            if options.parameter_limits and "log_scale" in names:
                self.limits.append(ParameterLimit(module, "log_scale", -1.5, 1.5, self.shop.clock))

    def before_step(self, step: int) -> None:
        """Set all schedules."""
        self.shop.clock.set(step, self.seconds_per_step)

    def before_forward(self, batch_size: int) -> None:
        """Draw what holds for a whole forward pass."""
        if self.shop.options.feature_mask:
            self.shop.feature_mask.draw(batch_size)
        for limit in self.limits:
            limit.draw()

    def detach(self) -> None:
        """Leave the model as it was."""
        self.frontend.devices = None
        for layer in (layer for layers in self.stacks.layers_by_stack() for layer in layers):
            layer.devices = None
        for limit in self.limits:
            limit.remove()


def layer_skip(factors: tuple[int, ...], stack: int, layer: int, num_layers: int) -> Schedule:
    """Rate of layer skipping: stacks, and layers in them, come in one after the other."""
    width = WARMUP / (len(factors) + 1)
    begin = width * (stack + 1 + layer / num_layers)
    return Schedule((begin, FIRST_LAYER_SKIP), (begin + width / num_layers, LAST_LAYER_SKIP * math.sqrt(factors[stack])))
