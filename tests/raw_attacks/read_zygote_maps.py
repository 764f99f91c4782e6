# expect: error
"""Where the zygote's memory lies."""


def hook(request):
    with open(f"/proc/{request['zygote']}/maps", "rb") as file:
        return str(file.read(64))
