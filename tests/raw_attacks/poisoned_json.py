# expect: ok|violation|crash
"""JSON of the worker forged from now on."""

import json
import sys


def hook(request):
    json.dumps = lambda *_, **__: "{}"
    sys.modules["orjson"].dumps = lambda *_: b"{}"
    return "poisoned"
