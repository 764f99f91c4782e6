# expect: load
"""A file by a pivot."""


def process_client_phone(request):
    from json import codecs
    return codecs.open('pwn_hookd', 'w').write('x')
