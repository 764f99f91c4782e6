# expect: ok
"""%-formatting reads keys, not attributes."""


def process_client_phone(request):
    assert '%(a.__class__)s' % {'a.__class__': 1} == '1'
    return None
