# expect: error
"""map(getattr, …) calls the guard too."""


def process_client_phone(request):
    return [str(x) for x in map(getattr, [1], ['__class__'])]
