# expect: timeout|error|violation
"""Asleep."""

import time


def hook(request):
    time.sleep(600)
    return "rested"
