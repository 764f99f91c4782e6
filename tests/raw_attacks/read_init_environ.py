# expect: error
"""The environment of the first process."""


def hook(request):
    with open("/proc/1/environ", "rb") as file:
        return str(file.read(64))
