# expect: violation
"""Counters of the processor, and what they tell of others."""


def hook(request):
    return attempt("perf_event_open", 0, 0, -1, -1, 0)
