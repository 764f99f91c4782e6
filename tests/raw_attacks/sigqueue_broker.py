# expect: violation
"""rt_sigqueueinfo(2) at the broker."""


def hook(request):
    news = ctypes.create_string_buffer(128)
    return attempt("rt_sigqueueinfo", request["broker"], 0, news)
