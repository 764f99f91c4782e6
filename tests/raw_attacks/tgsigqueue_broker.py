# expect: violation
"""rt_tgsigqueueinfo(2) at the broker."""


def hook(request):
    news = ctypes.create_string_buffer(128)
    return attempt("rt_tgsigqueueinfo", request["broker"], request["broker"], 0, news)
