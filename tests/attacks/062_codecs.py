# expect: ok
"""Exotic codecs give text or LookupError, nothing else."""


def process_client_phone(request):
    for codec in ('unicode_escape', 'zlib_codec', 'rot13', 'os', '../x', 'hookd'):
        try:
            b'\\x41'.decode(codec)
        except (LookupError, ValueError):
            pass
    return None
