"""`python -m foodvision`, the same as `foodvision`."""

import sys

from foodvision.cli import main

sys.exit(main())
