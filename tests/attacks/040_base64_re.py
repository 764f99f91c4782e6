# expect: load
"""base64.re.enum.sys.modules."""


def process_client_phone(request):
    import base64
    return str(base64.re.enum.sys.modules)[:80]
