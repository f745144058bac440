"""`python -m foodvision`, the same as `foodvision`."""

import sys

from foodvision.cli.main import main

sys.exit(main())
