"""A model becomes a running page: a Gradio Space of the Hugging Face Hub."""

from foodvision.deploy.checking import check_space
from foodvision.deploy.folder import SpaceSettings, write_space
from foodvision.deploy.space import deploy_space, deploy_static, try_space

__all__ = [
    "SpaceSettings",
    "check_space",
    "deploy_space",
    "deploy_static",
    "try_space",
    "write_space",
]
