# expect: error
"""A key to elsewhere; that there is none may not be learnt either."""


def hook(request):
    with open("/root/.ssh/id_rsa", "rb") as file:
        return str(file.read(64))
