# expect: error
"""Unbound str.format in map."""


def process_client_phone(request):
    return [x for x in map(str.format, ['{0.__class__}'], [1])]
