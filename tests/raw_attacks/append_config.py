# expect: error
"""One more line in the configuration."""


def hook(request):
    with open(request["config"], "a") as file:
        file.write("x = 1")
    return "written"
