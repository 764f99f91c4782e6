# expect: error
"""The broker's memory."""


def hook(request):
    with open(f"/proc/{request['broker']}/mem", "rb") as file:
        return str(file.read(64))
