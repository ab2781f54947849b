"""`python -m rftlab.methods`: validate methods' settings for the driver, which must not import torch itself.

Reads a JSON list of {"method", "preset", "settings"} on standard input; exits with 2 and one sentence if one is wrong.
"""

import json
import sys

from rftlab.errors import RftlabError
from rftlab.methods.base import load_method, make_settings


def main() -> int:
    """Check every entry read from standard input."""
    try:
        for entry in json.load(sys.stdin):
            make_settings(load_method(entry["method"]), entry["method"], entry["preset"], entry["settings"])
    except RftlabError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
