# expect: load
"""A positional-only parameter named like a guard (CVE-2026-55830)."""


def process_client_phone(request):
    def f(_getattr_, /):
        return request.keys
    return f(lambda o, n: o)
