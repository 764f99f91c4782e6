# expect: violation
"""rt_tgsigqueueinfo(2) at the zygote."""


def hook(request):
    news = ctypes.create_string_buffer(128)
    return attempt("rt_tgsigqueueinfo", request["zygote"], request["zygote"], 0, news)
