# expect: error
"""An exception that contains itself."""

class E(Exception):
    def __init__(self):
        self.args = (self,)


def process_client_phone(request):
    raise E()
