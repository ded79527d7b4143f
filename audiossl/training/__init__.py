"""The training loop, optimisers and schedules, checkpoints and resume, logging."""
