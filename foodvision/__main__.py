"""`python -m foodvision`, the same as `foodvision`."""

from foodvision.cli import script

script()
