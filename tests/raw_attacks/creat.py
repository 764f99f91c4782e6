# expect: error
"""creat(2), the oldest way to a file."""


def hook(request):
    return attempt("creat", ("/tmp/" + request["token"]).encode(), 0o600)
