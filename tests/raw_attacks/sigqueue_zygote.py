# expect: violation
"""rt_sigqueueinfo(2) at the zygote."""


def hook(request):
    news = ctypes.create_string_buffer(128)
    return attempt("rt_sigqueueinfo", request["zygote"], 0, news)
