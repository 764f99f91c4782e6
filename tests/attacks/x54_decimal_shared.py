# expect: error
"""Attributes of a decimal context beyond its two."""


def process_client_phone(request):
    import decimal
    with decimal.localcontext() as context:
        context.traps = {}
    return 1
