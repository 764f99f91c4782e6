# expect: error|violation
"""The standard library's way to a program."""

import subprocess


def hook(request):
    return str(subprocess.run(["/bin/true"]).returncode)
