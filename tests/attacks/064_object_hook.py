# expect: error
"""json.loads with callbacks of the hook's."""


def process_client_phone(request):
    import json
    return json.loads('{}', object_hook=lambda d: d, parse_float=str)
