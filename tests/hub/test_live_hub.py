"""The same against the real Hub; only with FOODVISION_LIVE_HUB=user and a token that may write."""

import os

import pytest

import foodvision
from foodvision.cli.main import main

USER = os.environ.get("FOODVISION_LIVE_HUB")
pytestmark = pytest.mark.skipif(not USER, reason="FOODVISION_LIVE_HUB names no account")


@pytest.fixture
def name():
    from huggingface_hub import HfApi

    name = f"{USER}/foodvision-live-test"
    yield name
    HfApi().delete_repo(name, missing_ok=True)


def test_checkpoint_goes_there_and_back(name, fruit, fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    first = classifier.push_to_hub(name, private=True)
    again = classifier.push_to_hub(name, private=True)
    assert (again.commit, first.changed, again.changed) == (first.commit, True, False)
    assert foodvision.load(name, revision=first.commit).classes == classifier.classes
    assert main(["verify", name, str(fruit)]) == 0
