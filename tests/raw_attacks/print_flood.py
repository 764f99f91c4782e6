# expect: violation
"""More printed than the broker takes."""


def hook(request):
    while True:
        write("x" * 60_000)
