# expect: load
"""The state of the generator."""


def process_client_phone(request):
    import random
    return str(random.getstate())
