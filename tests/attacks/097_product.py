# expect: memory|timeout
"""A product as a list."""


def process_client_phone(request):
    import itertools
    return len(list(itertools.product(range(1000), repeat=4)))
