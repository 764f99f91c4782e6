# expect: error
"""The own memory as a file, a way around page protection."""


def hook(request):
    with open("/proc/self/mem", "rb") as file:
        return str(file.read(64))
