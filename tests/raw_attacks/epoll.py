# expect: error
"""A set of descriptors."""


def hook(request):
    return attempt("epoll_create1", 0)
