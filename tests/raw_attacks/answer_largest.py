# expect: ok|crash|error|violation|timeout
"""An answer larger than a frame."""


def hook(request):
    return "x" * 5_000_000
