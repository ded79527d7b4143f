"""Folders to the Hugging Face hub, and what is asked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.version import __version__

EXAMPLE = "owner/name, such as anna/asterisk-student"


def check_repository(name: str) -> None:
    """Refuse what cannot be the name of a repository, without asking the hub.

    Raises:
        ConfigError: saying what such a name looks like.

    >>> check_repository("anna/asterisk-student")
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(f"expected {EXAMPLE}, got '{name}': {str(error).rstrip('.')}") from error
    if name.count("/") != 1:
        raise ConfigError(f"expected {EXAMPLE}, got '{name}': say whose repository it is")


def published_config(config: Mapping[str, object]) -> dict[str, object]:
    """A config without `auto_map`, which points to the code of SPEAR's own repositories: ours hold none.

    >>> published_config({"model_type": "spear", "auto_map": {"AutoModel": "modeling_spear.SpearModel"}})
    {'model_type': 'spear'}
    """
    return {key: value for key, value in config.items() if key != "auto_map"}


def require_token(token: str | None = None) -> str:
    """The token of the hub: the one given, else that of `HF_TOKEN` or of a login.

    Raises:
        ConfigError: if there is none.
    """
    from huggingface_hub import get_token

    if found := token or get_token():
        return found
    raise ConfigError("the Hugging Face hub asks for a token to write: log in with `hf auth login`, or set HF_TOKEN")


def upload(folder: Path, name: str, files: Sequence[str], *, private: bool = False, token: str | None = None) -> str:
    """Make a repository on the hub, unless it is there, and commit files of a folder to it.

    Args:
        folder: folder with the files; only those named are sent.
        name: repository, owner/name.
        files: names of the files.
        private: make it private. One that is there and is public is refused before anything is sent.
        token: token of the hub; by default that of `HF_TOKEN` or of a login.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: if the name cannot be one, there is no token, or the hub refuses; the message says what it said.
    """
    from huggingface_hub import HfApi

    check_repository(name)
    hub = HfApi(token=require_token(token), library_name="audiossl", library_version=__version__)
    try:
        address = hub.create_repo(name, private=private or None, exist_ok=True)
        is_private = bool(hub.model_info(name).private)
    except Exception as error:  # of many kinds, from the hub's client and its transport
        raise ConfigError(f"the hub does not give the repository {name}, nothing was sent: {_reason(error)}") from error
    if private and not is_private:
        raise ConfigError(
            f"{name} is there already and is public: nothing was sent. Make it private on the hub, or leave out private"
        )
    try:
        hub.upload_folder(
            repo_id=name, folder_path=folder, allow_patterns=list(files), commit_message=f"Publish by audiossl {__version__}"
        )
    except Exception as error:  # as above
        raise ConfigError(
            f"the hub did not take the files of {name}: {_reason(error)}. The repository is there; the same call sends them again"
        ) from error
    return str(address)


def _reason(error: BaseException) -> str:
    """What the hub or the transport said, and what that came from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:3]).rstrip(".") or type(error).__name__
    return said if error.__cause__ is None else f"{said} ({_reason(error.__cause__)})"
