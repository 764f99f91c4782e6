# expect: error
"""A set of rules of its own."""


def hook(request):
    return attempt("landlock_create_ruleset", 0, 0, 1)
