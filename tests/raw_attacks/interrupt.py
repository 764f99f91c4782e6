# expect: error
"""KeyboardInterrupt."""


def hook(request):
    raise KeyboardInterrupt
