"""`audiossl.register_transformers`, after which `transformers.AutoModel` loads folders of ours with the code of this package."""

from __future__ import annotations

from audiossl.teachers.hugging_face_loading import import_transformers


def register_transformers() -> None:
    """Let `transformers` load folders and repositories that audiossl wrote: `AutoConfig`, `AutoModel`, `AutoFeatureExtractor`.

    The code is that of the installed audiossl: nothing of a repository is run, and weights are read from safetensors alone. A
    model takes `input_values` (B, S), of sensors (B, C, S), and `attention_mask` (B, S). It returns `last_hidden_state`,
    `hidden_states` where `output_hidden_states=True`, and the number of valid frames of both. A clip has the same frames alone
    and in a padded batch. Calling it twice changes nothing.

    Raises:
        MissingExtraError: if `transformers` is not installed.

    >>> from audiossl.models import Zipformer, hub
    >>> hub.save(Zipformer.from_preset("tiny"), "student")
    >>> register_transformers()
    >>> import torch, transformers
    >>> model = transformers.AutoModel.from_pretrained("student")
    >>> model(torch.zeros(1, 16000)).last_hidden_state.shape
    torch.Size([1, 46, 192])
    """
    transformers = import_transformers()
    from audiossl.exporters.auto_classes import CLASSES

    for config, model in CLASSES:
        transformers.AutoConfig.register(config.model_type, config, exist_ok=True)
        transformers.AutoModel.register(config, model, exist_ok=True)
