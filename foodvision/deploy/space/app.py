"""The page of this Space; which model it serves is in space.json."""

import json
import os
from pathlib import Path

from foodvision.web import build_page, launch_page, load_models, open_feedback

served = json.loads(Path(__file__).with_name("space.json").read_text("utf-8"))
feedback = os.environ.get("FOODVISION_FEEDBACK")  # a private dataset, as hf://user/dataset
demo = build_page(load_models(served["models"]), open_feedback(feedback) if feedback else None)

if __name__ == "__main__":
    launch_page(demo)
