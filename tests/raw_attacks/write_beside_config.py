# expect: error
"""A file beside the configuration."""


def hook(request):
    with open(request["config"] + request["token"], "w") as file:
        file.write("here")
    return "written"
