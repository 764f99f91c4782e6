# expect: violation
"""A message queue with a name."""


def hook(request):
    return attempt("mq_open", request["token"].encode(), 0, 0, 0)
