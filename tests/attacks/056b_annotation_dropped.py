# expect: ok
"""Annotations are not executed at all."""


def process_client_phone(request):
    def f(a: 1 / 0) -> [][1]:
        x: {}['k'] = a
        return x
    assert f(5) == 5
    return None
