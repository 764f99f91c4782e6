"""
`python -m hookd.consumer`: what `hookd consume` becomes.
"""

import sys

from hookd.consumer.process import main

sys.exit(main())
