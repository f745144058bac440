"""The API keeps to its own OpenAPI document: schemathesis makes the requests, over real HTTP."""

import os
import subprocess
import sys

import pytest
from test_api import page_url, url  # noqa: F401 (fixtures)

pytestmark = pytest.mark.slow

# The document admits any bytes as a photo; those that are none get 422, which it names, too.
LEFT_OUT = "positive_data_acceptance"


@pytest.mark.parametrize("served", ["url", "page_url"])
def test_answers_are_what_the_description_says(request, tmp_path, served):
    address = request.getfixturevalue(served)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/api/openapi.json"]
    options = ["--max-examples=60", f"--exclude-checks={LEFT_OUT}", "--seed=1", "--no-color"]
    done = subprocess.run(
        [*command, *options, "--generation-database=none"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert "Tested: 3" in done.stdout
