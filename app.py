"""The page: `python app.py [--model M] [--port N] [--share]`, and what a Hugging Face Space runs.

Imported, it builds `demo` around FOODVISION_MODEL (several separated as in PATH), or the model that
ships, and launches nothing.
"""

import os
import sys

if __name__ == "__main__":
    from foodvision.cli.main import main

    sys.exit(main(["demo", *sys.argv[1:]]))

from foodvision.web import build_page, load_models

named = os.environ.get("FOODVISION_MODEL")
demo = build_page(load_models(named.split(os.pathsep) if named else ()))
