# expect: violation
"""A message with ancillary data, such as a forged process id."""


def hook(request):
    return attempt("sendmsg", 3, ctypes.create_string_buffer(56), 0)
