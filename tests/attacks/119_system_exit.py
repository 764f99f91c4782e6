# expect: load
"""raise SystemExit."""


def process_client_phone(request):
    raise SystemExit(0)
