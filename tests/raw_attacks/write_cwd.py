# expect: error
"""A file in the working directory."""


def hook(request):
    with open(request["token"], "w") as file:
        file.write("here")
    return "written"
