# expect: ok|crash|error
"""Nested chains."""


def process_client_phone(request):
    import itertools
    it = iter([1])
    for i in range(200000):
        it = itertools.chain(it)
    for x in it:
        return None
