# expect: load
"""A long sleep."""


def process_client_phone(request):
    import time
    time.sleep(600)
    return 1
