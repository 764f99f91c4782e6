# expect: timeout
"""A loop when the run's objects are collected."""


def hook(request):
    class Late:
        def __del__(self):
            while True:
                pass

    late = Late()
    late.itself = late
    return "left"
