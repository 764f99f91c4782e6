# expect: load
"""sys.exc_info through a module."""


def process_client_phone(request):
    import json
    return str(json.codecs.sys.exc_info())
