# expect: ok
"""A list at the top of the file is fresh in each run."""

L = []


def process_client_phone(request):
    L.append(1)
    assert len(L) == 1
    return None
