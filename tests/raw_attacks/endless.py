# expect: timeout
"""A loop that swallows every exception."""


def hook(request):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
