# expect: crash
"""Nested maps overflow the C stack."""


def process_client_phone(request):
    it = iter([1])
    for i in range(200000):
        it = map(int, it)
    return next(it)
