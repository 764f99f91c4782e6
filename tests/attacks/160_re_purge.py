# expect: load
"""re.purge."""


def process_client_phone(request):
    import re
    re.purge()
    return 1
