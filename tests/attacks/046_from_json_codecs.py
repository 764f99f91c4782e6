# expect: load
"""from X import Y reads attributes in C."""


def process_client_phone(request):
    from json import codecs
    return str(codecs.open)
