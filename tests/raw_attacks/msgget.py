# expect: violation
"""A message queue."""


def hook(request):
    return attempt("msgget", 0x686b, 0)
