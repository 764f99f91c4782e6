"""
`python -m hookd.consumer`: what `hookd consume` becomes.

Calls go first, and whoever promises a job: before anything else, which takes a second of a processor, this process
becomes nicer than theirs.
"""

import os
import sys

NICE = 10

os.nice(NICE)

from hookd.consumer.process import main  # noqa: E402

sys.exit(main())
