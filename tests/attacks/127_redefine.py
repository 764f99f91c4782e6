# expect: ok
"""The hook's own name bound anew."""


def process_client_phone(request):
    global process_client_phone
    process_client_phone = None
    return None
