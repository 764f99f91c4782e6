# expect: crash
"""The hash of a deeply nested tuple."""


def process_client_phone(request):
    a = ()
    for i in range(500000):
        a = (a,)
    return len({a: 1})
