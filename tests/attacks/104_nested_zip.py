# expect: crash
"""Nested zips overflow the C stack."""


def process_client_phone(request):
    it = [1]
    for i in range(200000):
        it = zip(it)
    for x in it:
        return None
