# expect: violation
"""remap_file_pages(2), the old way to change what is mapped."""


def hook(request):
    return attempt("remap_file_pages", 0, 4096, 4, 0, 0)
