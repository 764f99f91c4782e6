# expect: error
"""Every disk of the machine made to work."""


def hook(request):
    return attempt("sync")
