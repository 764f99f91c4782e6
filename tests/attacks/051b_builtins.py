# expect: load
"""__builtins__."""


def process_client_phone(request):
    return str(__builtins__['__import__'])
