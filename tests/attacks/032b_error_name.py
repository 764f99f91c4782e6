# expect: error
"""NameError.name and its like."""


def process_client_phone(request):
    try:
        nosuch
    except NameError as e:
        return e.name
