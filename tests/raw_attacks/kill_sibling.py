# expect: violation
"""The same user's other workers, by the numbers of the machine and by those next to the own."""

import os


def hook(request):
    near = [os.getpid() + step for step in (-3, -2, -1, 1, 2, 3)]
    for sibling in [*near, *request["siblings"]]:
        if sibling != os.getpid():
            told = attempt("kill", sibling, 0)
            if not told.endswith("ESRCH"):
                return told
    raise PermissionError("nobody there")
