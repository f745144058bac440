"""The Hugging Face Hub: checkpoints are pulled from it and pushed to it."""

from foodvision.hub.client import check_name, is_repo_id
from foodvision.hub.download import download_checkpoint, fetch_files, fetch_weights
from foodvision.hub.push import Pushed, check_push, check_writable, files_to_push, push_checkpoint

__all__ = [
    "Pushed",
    "check_name",
    "check_push",
    "check_writable",
    "download_checkpoint",
    "fetch_files",
    "fetch_weights",
    "files_to_push",
    "is_repo_id",
    "push_checkpoint",
]
