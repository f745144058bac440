"""The page of this Space on ZeroGPU; which model it serves is in space.json."""

import json
import os
from pathlib import Path

import gradio as gr
import spaces  # before anything that could ask for a GPU

from foodvision.web import build_page, launch_page, load_models, open_feedback

served = json.loads(Path(__file__).with_name("space.json").read_text("utf-8"))
feedback = os.environ.get("FOODVISION_FEEDBACK")  # a private dataset, as hf://user/dataset
demo = build_page(load_models(served["models"]), open_feedback(feedback) if feedback else None)


@spaces.GPU(duration=1)
def borrow_gpu() -> None:
    """What ZeroGPU asks every Space to have; no visitor's quota is spent, as no page calls it."""


with demo:
    # A CPU answers in milliseconds, so the one event that borrows a GPU has no button to be seen.
    gr.Button(visible=False).click(borrow_gpu, api_visibility="private")

if __name__ == "__main__":
    launch_page(demo)
