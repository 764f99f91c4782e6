# expect: load
"""__setattr__ by super()."""

class A:
    def f(self):
        return super().__setattr__('x', 1)


def process_client_phone(request):
    return A().f()
