# expect: ok
"""A replacement that is a callable object."""

import re


class R:
    def __call__(self, found):
        assert not hasattr(found, '__class__')
        return found.group().upper()


def process_client_phone(request):
    assert re.sub('a', R(), 'banana') == 'bAnAnA'
    return None
