"""What the libraries that we use report to their makers, switched off before they are imported.

Whoever wants it on sets the variable. docs/security.md lists them all.
"""

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime from 1.29 on: a database in ~/.cache, a collector
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # also what gradio, datasets and trackio send through it
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # a report to Ray's makers every hour, by who starts a cluster
}
"""Environment variables, and the values that keep libraries silent."""


def switch_off_telemetry() -> None:
    """Set the variables that are not set."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
