# expect: violation
"""clone3(2), whose arguments no filter sees."""

import os


def hook(request):
    asked = ctypes.create_string_buffer(88)
    asked[32] = 17
    child = attempt("clone3", asked, 88)
    if child == "clone3: 0":
        os._exit(0)
    return child
