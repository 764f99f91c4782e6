# expect: error
"""The own address space."""


def hook(request):
    with open("/proc/self/maps", "rb") as file:
        return str(file.read(64))
