# expect: ok|crash|violation|timeout
"""The interpreter's own names forged."""

import builtins


def hook(request):
    for name in ("len", "isinstance", "dict", "str", "memoryview"):
        setattr(builtins, name, None)
    return "poisoned"
