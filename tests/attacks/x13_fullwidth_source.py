# expect: load
"""The same in the source."""


def process_client_phone(request):
    return str(ｅｖａｌ('1'))
