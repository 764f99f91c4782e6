# expect: timeout
"""Quadratic searches."""


def process_client_phone(request):
    s = 'a' * 10**6
    return s.find('a' * 500000 + 'b') + sum(s.count('a' * i + 'b') for i in range(1, 3000))
