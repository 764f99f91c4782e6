# expect: error
"""Their passwords."""


def hook(request):
    with open("/etc/shadow", "rb") as file:
        return str(file.read(64))
