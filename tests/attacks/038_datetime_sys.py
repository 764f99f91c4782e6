# expect: load
"""datetime.sys.modules."""


def process_client_phone(request):
    import datetime
    return str(datetime.sys.modules)[:80]
