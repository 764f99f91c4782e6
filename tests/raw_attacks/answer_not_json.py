# expect: crash|error|violation
"""An answer that is no JSON."""


def hook(request):
    return {1, 2}
