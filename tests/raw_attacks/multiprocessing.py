# expect: error|violation
"""A child by multiprocessing."""

import multiprocessing


def hook(request):
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    return str(child.pid)
