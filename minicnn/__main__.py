"""``python -m minicnn``."""

import sys

from .cli import main

sys.exit(main())
