"""
Texts from settings.toml, with places for what is known of the call.
"""


def filled(text, call):
    """
    Return the text with {number}, {trunk} and {client} filled in; a client without a name is shown by number.
    """
    client = call.entity.name or call.client_number
    text = text.replace("{number}", call.client_number).replace("{trunk}", call.trunk)
    return text.replace("{client}", client)
