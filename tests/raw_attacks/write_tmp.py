# expect: error
"""A file in /tmp."""


def hook(request):
    with open("/tmp/" + request["token"], "w") as file:
        file.write("here")
    return "written"
