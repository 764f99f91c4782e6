# expect: violation
"""All memory moved between nodes."""


def hook(request):
    return attempt("migrate_pages", request["broker"], 0, 0, 0)
