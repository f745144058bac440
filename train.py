"""Train on a folder of photos: `python train.py DATA [--model M] [--epochs N] ...`.

The same as `foodvision train`. The story of a run is in `foodvision/training/run.py`.
"""

import sys

from foodvision.cli.main import main

# Worker processes import this file again on some platforms: they must not train a second time.
if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
