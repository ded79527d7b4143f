"""`from_pretrained` and `push_to_hub`, by which an encoder comes from the Hugging Face hub and goes there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypeVar

from torch import nn

from audiossl.files import write_json
from audiossl.models import hub
from audiossl.models.extractor_config import write_extractor
from audiossl.models.hub_upload import check_repository, published_config, require_token, upload
from audiossl.models.model_card import CARD, model_card
from audiossl.models.model_facts import ModelFacts

T = TypeVar("T")


class Pretrained(nn.Module):
    """An encoder with the methods of the hub's own mixin, by our reader: safetensors alone, and no class that a config names.

    The hub's `PyTorchModelHubMixin` is not used: it hands the keys of a config to the class unchecked, and knows no layout of
    weights but its own.

    >>> from audiossl.models import Zipformer
    >>> folder = Zipformer.from_preset("tiny").save_pretrained("student")
    >>> Zipformer.from_pretrained(folder).dim
    192
    """

    @classmethod
    def from_pretrained(
        cls: type[T],
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> T:
        """Load an encoder of this class from a folder or a repository of the hub, in evaluation mode.

        Args:
            pretrained_model_name_or_path: folder, or owner/name.
            revision: branch, tag or commit; by default the newest.
            token: token of the hub, for private repositories; by default that of `HF_TOKEN` or of a login.
            cache_dir: folder that is downloaded to, by default the hub's cache.
            local_files_only: ask nobody, and take what is in the cache.

        Raises:
            StoreError: if there is no such folder or repository, it is incomplete, or holds an encoder of another class.
        """
        how = {"revision": revision, "token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
        return hub.load_as(cls, hub.folder_of(pretrained_model_name_or_path, **how))

    def save_pretrained(self, save_directory: str | Path) -> Path:
        """Write `config.json` and `model.safetensors`, as `audiossl.models.hub.save` does.

        Which people the encoder was trained on is known to its run alone and not written; `audiossl.publish` keeps it.

        Returns:
            The folder.
        """
        hub.save(self, save_directory)
        return Path(save_directory)

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
        """Send the encoder to the hub with a card of what it says of itself; `audiossl.publish` writes that of a run.

        Args:
            repo_id: repository, owner/name, which is made unless it is there.
            private: make it private; one that is there and is public is refused.
            token: token of the hub; by default that of `HF_TOKEN` or of a login.

        Returns:
            The address of the repository.

        Raises:
            ConfigError: if the name cannot be one, there is no token, or the hub refuses.
        """
        check_repository(repo_id)
        token = require_token(token)
        with tempfile.TemporaryDirectory() as name:
            folder, facts = self.save_pretrained(name), ModelFacts.of(self, repo_id)
            write_json(folder / hub.CONFIG, published_config(hub.read_config(folder / hub.CONFIG)))
            write_extractor(facts, folder)
            (folder / CARD).write_text(model_card(facts), encoding="utf-8")
            return upload(folder, repo_id, [path.name for path in sorted(folder.iterdir())], private=private, token=token)
