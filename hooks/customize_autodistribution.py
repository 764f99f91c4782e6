"""
Choose whom an incoming call rings, and what the phone shows.

Settings, each works alone: default_extension rings where the connector found nobody; manager_by_client names
the extension of a client's own manager; duty_extension rings outside of your working hours, whoever calls;
caller_name is what the phone shows, with {number} and {client} filled in, cut to 20 characters.
"""

from lib.texts import filled


def customize_autodistribution(request, call, clock, phones, settings):
    number = request.get("number") or settings.get("default_extension")
    number = phones.lookup(settings.get("manager_by_client", {}), call.client_number, number)
    if not clock.is_working():
        number = settings.get("duty_extension", number)
    change = {}
    if number:
        change["number"] = str(number)
    if name := settings.get("caller_name"):
        change["name"] = filled(name, call)[:20]
    return change
