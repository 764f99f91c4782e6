# expect: violation
"""A handle that open_by_handle_at(2) takes past all directories."""


def hook(request):
    return attempt("name_to_handle_at", -100, b"/", 0, 0, 0)
