# expect: load
"""time.tzset."""


def process_client_phone(request):
    import time
    time.tzset()
    return 1
