# expect: contract
"""NaN in the result."""


def process_client_phone(request):
    return {'a': float('nan'), 'b': float('inf')}
