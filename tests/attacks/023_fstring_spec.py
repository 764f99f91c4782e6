# expect: ok
"""Nested widths and conversions are harmless."""


def process_client_phone(request):
    x = '__class__'
    assert f'{x!r:>{10}}' == "'__class__'"
    return None
