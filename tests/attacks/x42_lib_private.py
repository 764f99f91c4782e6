# expect: load
"""A private name of a lib file."""

from lib.numbers import _digits


def process_client_phone(request):
    return 1
