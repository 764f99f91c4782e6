"""
`python -m hookd` is the `hookd` command.
"""

import sys

from hookd.cli import main

if __name__ == "__main__":
    sys.exit(main())
