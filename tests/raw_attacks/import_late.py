# expect: error
"""A module that is not loaded yet."""


def hook(request):
    import sqlite3

    return str(sqlite3)
