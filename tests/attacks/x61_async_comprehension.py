# expect: load
"""An asynchronous comprehension."""


def process_client_phone(request):
    return [x async for x in request]
