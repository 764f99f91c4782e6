# expect: error
"""An alarm."""


def hook(request):
    attempt("alarm", 1)
    while True:
        pass
