# expect: error
"""A device that everybody may read."""


def hook(request):
    with open("/dev/urandom", "rb") as file:
        return str(file.read(64))
