# expect: timeout
"""Waiting for what never comes."""

import select


def hook(request):
    select.poll().poll()
    return "polled"
