# expect: violation
"""READ_IMPLIES_EXEC: memory to read is then memory to execute."""


def hook(request):
    return attempt("personality", 0x0400000)
