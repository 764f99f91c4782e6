# expect: ok
"""The request is the run's own."""


def process_client_phone(request):
    request['x'] = 1
    return None
