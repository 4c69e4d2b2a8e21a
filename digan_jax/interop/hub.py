"""Models on the Hugging Face hub, as folders of `digan export`, through huggingface_hub (extra [hub])."""

from __future__ import annotations

from etils import epath

from digan_jax.errors import InputError
from digan_jax.interop import model_folder
from digan_jax.rendering import styles
from digan_jax.runs.weights import Weights

_FILES = [model_folder.WEIGHTS, model_folder.CONFIG, model_folder.CARD, styles.FILE]


def require_library():
    """The module `huggingface_hub`. Raises `InputError` if it is not installed."""
    try:
        import huggingface_hub
    except ImportError:
        raise InputError('the hub needs its library; install it with: pip install "digan-jax[hub]"') from None
    return huggingface_hub


def push_to_hub(
    folder: epath.PathLike, repo_id: str, private: bool = False, message: str = "Model of digan-jax"
) -> str:
    """Uploads a folder of `digan export` in one commit. Returns the URL of the repository.

    Args:
      folder: an exported model.
      repo_id: "user/name"; created if it does not exist. Log in with `hf auth login` first.
      private: whether a new repository is private.
      message: of the commit.

    Raises:
      InputError: the folder is no export; no login, no write access or no connection.
    """
    hub = require_library()
    if not model_folder.is_one(folder):
        raise InputError(f"{folder}: is no exported model; make one with `digan export RUN --out {folder}`.")
    api = hub.HfApi()
    try:
        repo = api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo.repo_id, folder_path=str(folder), commit_message=message)
    except _refusals() as error:
        raise InputError(f"--push {repo_id}: {_first_line(error)}") from None
    return str(repo)


def from_pretrained(repo_id: str, revision: str | None = None, training: bool = False):
    """A `Model` from the hub, or from a local folder of `digan export`.

    Downloads only weights, config.json, model card and styles, into the library's cache, and executes nothing.

    Args:
      repo_id: "user/name", or a local folder.
      revision: branch, tag or commit; None: the newest.
      training: also download the weights for fine-tuning.

    Raises:
      InputError: no such repository or revision; no connection and nothing cached; no digan-jax model in it.
    """
    from digan_jax.rendering.samplers import of_weights

    return of_weights(read(repo_id, revision, training))


def read(repo_id: str, revision: str | None = None, training: bool = False) -> Weights:
    """The weights of `from_pretrained`; with `training` also generator and critics. Raises as `from_pretrained`."""
    return model_folder.read(download(repo_id, revision, training), training)


def download(repo_id: str, revision: str | None = None, training: bool = False) -> epath.Path:
    """The model's folder: local, or in the library's cache after a download. Raises as `from_pretrained`."""
    local = epath.Path(repo_id)
    if local.is_dir():
        folder = local
    else:
        hub = require_library()
        files = _FILES + ([model_folder.TRAINING] if training else [])
        try:
            folder = epath.Path(hub.snapshot_download(repo_id, revision=revision, allow_patterns=files))
        except hub.errors.LocalEntryNotFoundError as error:  # of a hub that was not reached, not of the repository
            cure = "connect to the network, or give the path of a copy of the folder"
            raise InputError(f"{repo_id}: the hub cannot be reached ({_first_line(error)}); {cure}.") from None
        except _refusals() as error:
            raise InputError(f"{repo_id}: {_first_line(error)}") from None
    if not model_folder.is_one(folder):
        raise InputError(f"{repo_id}: holds no model of digan-jax (its config.json does not say so).")
    return folder


def _refusals() -> tuple[type[Exception], ...]:
    """Exceptions that the library raises for failed requests."""
    from huggingface_hub import errors

    return OSError, ValueError, errors.HTTPError


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("Got: ").rstrip(".") if lines else type(error).__name__
