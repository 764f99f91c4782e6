# expect: memory
"""A gigabyte."""


def hook(request):
    return len(bytearray(1 << 30))
