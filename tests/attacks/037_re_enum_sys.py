# expect: load
"""re.enum.sys.modules."""


def process_client_phone(request):
    import re
    return str(re.enum.sys.modules)[:80]
