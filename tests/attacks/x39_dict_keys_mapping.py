# expect: error
"""The mapping behind a view."""


def process_client_phone(request):
    return str({}.keys().mapping)
