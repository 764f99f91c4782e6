# expect: error
"""A file in memory that others see."""


def hook(request):
    with open("/dev/shm/" + request["token"], "w") as file:
        file.write("here")
    return "written"
