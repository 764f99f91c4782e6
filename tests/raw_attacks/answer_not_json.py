# expect: crash
"""An answer that is no JSON."""


def hook(request):
    return {1, 2}
