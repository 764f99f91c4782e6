# expect: load
"""An annotation that is executed."""


def process_client_phone(request):
    def f(a: ().__class__):
        return 1
    return 1
