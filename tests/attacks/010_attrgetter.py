# expect: load
"""operator.attrgetter walks attributes in C."""


def process_client_phone(request):
    import operator
    return str(operator.attrgetter('__class__')(1))
