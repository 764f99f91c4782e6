# expect: error
"""SystemExit."""


def hook(request):
    raise SystemExit(0)
