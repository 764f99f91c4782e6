# expect: error
"""Text for the operator's terminal or log: it goes nowhere."""

import os


def hook(request):
    for number in (0, 1, 2):
        os.write(number, b"forged\n")
    return "written"
