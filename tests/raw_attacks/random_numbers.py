# expect: ok
"""What the interpreter's hash seed and addresses tell: nothing of others."""


def hook(request):
    return str((hash("x"), id(request)))
