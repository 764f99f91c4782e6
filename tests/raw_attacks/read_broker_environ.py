# expect: error
"""The broker's environment."""


def hook(request):
    with open(f"/proc/{request['broker']}/environ", "rb") as file:
        return str(file.read(64))
