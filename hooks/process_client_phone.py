"""
Write the client's number the way your CRM has it, so that the CRM finds the client.

Settings: format = "e164" makes it +79001234567; format = "national" makes it 9001234567, and with
prefix = "8" 89001234567. Foreign numbers always get + and their country. outside_line = "9" takes off what
your telephone system dials to get out. Extensions and hidden numbers stay as they are.
"""

from lib.numbers import is_domestic


def process_client_phone(request, phones, settings):
    phone = request["phone"]
    if not phones.e164(phone):
        phone = phone.removeprefix(str(settings.get("outside_line", "")))
    number = phones.e164(phone)
    if not number:
        return None  # an extension, or a hidden number
    if settings.get("format") == "national" and is_domestic(number, phones):
        phone = str(settings.get("prefix", "")) + phones.national(number)
    elif settings.get("format"):
        phone = number
    return {"phone": phone}
