"""
Give the CRM the extension that it knows, where the telephone system names another one.

Settings, each works alone: extensions says which virtual or hunt number is whose own extension; prefix is
what a branch office puts before its extensions: with prefix = "2" and digits = 3, 2101 becomes 101.
"""


def process_user_phone(request, phones, settings):
    phone = request["phone"]
    prefix = str(settings.get("prefix", ""))
    if phone.startswith(prefix) and len(phone) == len(prefix) + settings.get("digits", 3):
        phone = phone.removeprefix(prefix)
    own = phones.lookup(settings.get("extensions", {}), phone, phone)
    return {"phone": str(own)}
