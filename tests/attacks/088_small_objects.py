# expect: memory|timeout
"""Many small objects."""


def process_client_phone(request):
    x = []
    while True:
        x.append([1, 2, 3])
