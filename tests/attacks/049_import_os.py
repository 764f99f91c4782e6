# expect: load
"""import os."""


def process_client_phone(request):
    import os
    return os.getcwd()
