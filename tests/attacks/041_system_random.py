# expect: load
"""random.SystemRandom."""


def process_client_phone(request):
    import random
    return str(random.SystemRandom)[:80]
