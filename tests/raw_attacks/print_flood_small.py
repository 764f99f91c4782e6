# expect: violation|timeout
"""The same in pieces of one character."""


def hook(request):
    while True:
        write("x")
