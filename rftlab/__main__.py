"""`python -m rftlab` is the `rftlab` command."""

import sys

from rftlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
