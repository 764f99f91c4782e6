# expect: error
"""json.dumps with callbacks of the hook's."""


def process_client_phone(request):
    import json
    return json.dumps({'a': {1}}, default=lambda o: 'cb')
