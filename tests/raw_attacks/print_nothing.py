# expect: violation
"""Prints of nothing, which would never reach a limit."""


def hook(request):
    while True:
        write("")
