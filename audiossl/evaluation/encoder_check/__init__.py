"""Does an encoder keep its promises? One question a check, answered with a number and advice."""

from audiossl.evaluation.encoder_check.report import check_encoder, has_failed

__all__ = ["check_encoder", "has_failed"]
