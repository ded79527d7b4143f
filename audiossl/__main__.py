"""`python -m audiossl`, and so `torchrun -m audiossl`: the command line."""

import sys

from audiossl.cli import main

sys.exit(main())
