# expect: ok
"""Names of guards as keys of ** are plain data."""


def process_client_phone(request):
    def f(**k):
        return k
    assert len(f(**{'_getattr_': 1, '__class__': 2})) == 2
    return None
