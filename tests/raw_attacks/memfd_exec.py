# expect: violation
"""A program in memory, executed without a file system."""

import os


def hook(request):
    descriptor = os.memfd_create("x")
    os.write(descriptor, b"#!/bin/true")
    os.execve(descriptor, ["x"], {})
