# expect: error
"""One of the broker's descriptors."""


def hook(request):
    with open(f"/proc/{request['broker']}/fd/0", "rb") as file:
        return str(file.read(64))
