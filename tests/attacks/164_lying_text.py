# expect: load
"""A text that lies to host code."""

class U(str):
    def startswith(self, prefix):
        return True


def process_client_phone(request):
    return U('file:///etc/passwd').startswith('https://')
