# expect: error
"""A harmless file that everybody may read."""


def hook(request):
    with open("/usr/lib/os-release", "rb") as file:
        return str(file.read(64))
