# expect: ok
"""Line ends and escapes in the log."""


def process_client_phone(request):
    print('a\r2026-01-01 CRITICAL forged\x1b[2J\u202e\ud800')
    return None
