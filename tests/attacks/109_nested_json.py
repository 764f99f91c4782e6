# expect: error
"""Deep nesting in json.dumps."""


def process_client_phone(request):
    import json
    x = []
    for i in range(200000):
        x = [x]
    return len(json.dumps(x))
