# expect: error
"""The users of the machine."""


def hook(request):
    with open("/etc/passwd", "rb") as file:
        return str(file.read(64))
