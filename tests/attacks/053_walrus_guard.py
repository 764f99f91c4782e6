# expect: load
"""A walrus binds a guard."""


def process_client_phone(request):
    (_write_ := 1)
    return 1
