# expect: load
"""open()."""


def process_client_phone(request):
    return open('/etc/passwd').read()
