# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "foodvision[train,datasets] @ git+https://huggingface.co/spaces/you/foodvision",
# ]
# ///
r"""Train on a machine of Hugging Face, on all of its GPUs, and keep the run in a repository there.

    hf jobs uv run --flavor l4x4 --secrets HF_TOKEN --timeout 4h \
        jobs/train_on_hub.py hf://you/dishes you/dishes-model --preset best

Where foodvision is installed from stands above: put your copy's address there. The model lies at
the top of the repository, where `foodvision.load("you/dishes-model")` finds it, and how it came
about in `run/`, with the state to go on from if it did not finish. docs/scaling.md says more.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import HfApi

from foodvision.errors import HubError
from foodvision.hub.client import translate_hub_errors
from foodvision.hub.push import REPLACED, check_push

RUN = Path("run")


def main(arguments: Sequence[str]) -> int:
    """Train on DATA with the options of `foodvision train`, and upload the run to REPOSITORY."""
    if len(arguments) < 2:
        print("train_on_hub.py DATA REPOSITORY [OPTION OF foodvision train]...", file=sys.stderr)
        return 2
    data, repository, *options = arguments
    api = HfApi()
    command = [*program(torch.cuda.device_count()), "train", data, "--output", str(RUN), *options]
    try:
        # Before anything is trained: what is in the way is told in a second, not in hours.
        check_push(repository, private=True)
        with translate_hub_errors(repository):
            api.create_repo(repository, private=True, exist_ok=True)
        status = subprocess.run(command, check=False).returncode  # noqa: S603 (our own words)
        with translate_hub_errors(repository):
            keep(api, repository)
    except HubError as error:
        print(error, file=sys.stderr)
        return 2
    return status


def program(devices: int) -> list[str]:
    """Return what starts foodvision: once, or once for each of several devices."""
    if devices < 2:
        return [sys.executable, "-m", "foodvision"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, "--nproc-per-node", str(devices), "-m", "foodvision"]


def keep(api: HfApi, repository: str) -> None:
    """Upload what there is of the run: all of it, or how far it came."""
    if (RUN / "checkpoint").exists():
        api.upload_folder(
            repo_id=repository, folder_path=RUN / "checkpoint", delete_patterns=REPLACED
        )
    if RUN.exists():
        without = ["checkpoint/*", ".lock"]
        api.upload_folder(
            repo_id=repository,
            folder_path=RUN,
            path_in_repo="run",
            ignore_patterns=without,
            delete_patterns="*",  # an earlier run's: its state would be gone on with
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
