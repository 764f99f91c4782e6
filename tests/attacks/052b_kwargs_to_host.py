# expect: error
"""Keywords that start with _ reach hidden parameters of host functions."""

import textwrap


def process_client_phone(request):
    return textwrap.fill('a', **{'_x': 1})
