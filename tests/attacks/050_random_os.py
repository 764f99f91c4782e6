# expect: load
"""random._os."""


def process_client_phone(request):
    import random
    return random._os.getcwd()
