"""
Dial what is clicked in the CRM the way your telephone system dials.

Settings, each works alone: prefix goes before a number of your country without its country code (8 makes
89001234567 of +79001234567), prefix_abroad before any other with it; context_by_line names the dial plan
context for calls over a line of the CRM. Extensions are dialled as they are.
"""

from lib.numbers import is_domestic


def process_originate_params(request, call, phones, settings):
    change = {}
    number = phones.e164(request.get("extension"))
    prefix, digits = settings.get("prefix_abroad"), phones.digits(number)
    if number and is_domestic(number, phones):
        prefix, digits = settings.get("prefix"), phones.national(number)
    if number and prefix is not None:
        change["extension"] = f"{prefix}{digits}"
    if context := phones.lookup(settings.get("context_by_line", {}), call.line):
        change["context"] = context
    return change
