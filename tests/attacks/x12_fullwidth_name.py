# expect: error
"""Full-width characters that Python folds into a name."""


def process_client_phone(request):
    return str(getattr((), '\uff3f\uff3fclass\uff3f\uff3f'))
