"""`python -m fourstep` is the command `fourstep`."""

import sys

from fourstep.cli import main

sys.exit(main())
