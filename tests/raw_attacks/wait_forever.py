# expect: error
"""Asleep."""

import time


def hook(request):
    time.sleep(600)
    return "rested"
