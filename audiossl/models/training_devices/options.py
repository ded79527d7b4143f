"""Which training-only devices of the Zipformer are on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TrainingDevices:
    """Switches of the devices; how strong each is at which time is fixed where it acts, as published.

    Attributes:
        enabled: False switches all of them off.
        balancer: keep the share of positive values and the size of each channel within limits, by the gradient.
        whiten: keep channels from doing all the same, by the gradient.
        dropout: zero hidden channels, the same at all times; of the feed-forward modules and the front end.
        skips: drop attention, convolution or feed-forward modules for whole sequences.
        layer_skip: drop layers for whole sequences.
        feature_mask: zero the upper channels of some sequences in all stacks.
        bypass_limits: keep bypass scales near 1 at first, by the gradient.
        parameter_limits: keep the log-scale of norms within bounds, by the gradient.
        score_penalty: keep attention scores from growing beyond 25.
        position_dropout: zero parts of the position code.
        position_skip: leave positions out of attention now and then at first.
        convnext_layer_drop: drop the ConvNeXt branch of the published front end for whole sequences.
        frontend_gradient: shrink the gradient of the published front end's first convolution.

    >>> TrainingDevices(enabled=True, skips=False).balancer
    True
    """

    enabled: bool = False
    balancer: bool = True
    whiten: bool = True
    dropout: bool = True
    skips: bool = True
    layer_skip: bool = True
    feature_mask: bool = True
    bypass_limits: bool = True
    parameter_limits: bool = True
    score_penalty: bool = True
    position_dropout: bool = True
    position_skip: bool = True
    convnext_layer_drop: bool = True
    frontend_gradient: bool = True
