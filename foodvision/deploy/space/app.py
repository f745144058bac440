"""The page of this Space; which model it serves is in space.json."""

import json
from pathlib import Path

from foodvision.web import build_page, launch_page, load_models

served = json.loads(Path(__file__).with_name("space.json").read_text("utf-8"))
demo = build_page(load_models(served["models"]))

if __name__ == "__main__":
    launch_page(demo)
