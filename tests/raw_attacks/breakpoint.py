# expect: ok|error|violation|crash|timeout
"""A debugger on a terminal that there is not."""


def hook(request):
    breakpoint()
    return "debugged"
