# expect: load
"""copy.copyreg."""


def process_client_phone(request):
    import copy
    return str(copy.copyreg)[:80]
