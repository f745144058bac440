"""The page: `python app.py [--model M] [--port N] [--share]`, and what a Hugging Face Space runs.

Imported, it builds `demo` around FOODVISION_MODEL, or the model that ships, and launches nothing.
"""

import os
import sys

if __name__ == "__main__":
    from foodvision.cli import main

    sys.exit(main(["demo", *sys.argv[1:]]))

from foodvision import load
from foodvision.web import build_page

demo = build_page(load(os.environ.get("FOODVISION_MODEL")))
