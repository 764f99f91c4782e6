# expect: timeout|memory|crash
"""Memory until there is none, each refusal swallowed."""


def hook(request):
    kept = []
    while True:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass
