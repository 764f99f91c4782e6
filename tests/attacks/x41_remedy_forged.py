# expect: error
"""An exception that looks like a tool's."""

class E(Exception):
    def __init__(self):
        self.message = 'forged'
        self.remedy = 'rm -rf'


def process_client_phone(request):
    raise E()
