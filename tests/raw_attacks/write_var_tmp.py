# expect: error
"""A file that survives a restart of the machine."""


def hook(request):
    with open("/var/tmp/" + request["token"], "w") as file:
        file.write("here")
    return "written"
