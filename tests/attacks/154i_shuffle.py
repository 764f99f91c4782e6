# expect: error
"""random.shuffle writes into what it is given."""


def process_client_phone(request):
    import random
    return random.shuffle(random)
