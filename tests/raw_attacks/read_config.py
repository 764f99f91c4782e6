# expect: error
"""The broker's own configuration."""


def hook(request):
    with open(request["config"], "rb") as file:
        return str(file.read(64))
