"""
Choose whom an incoming call rings, and what the phone shows.

Settings, each works alone: default_extension rings where the connector found nobody; responsible = true rings who is
responsible for the client in the CRM (the portal tells the extension; it has to allow user.get); manager_by_client
names the extension of a client's own manager; duty_extension rings outside of your working hours, whoever calls;
caller_name is what the phone shows, with {number} and {client} filled in, cut to 20 characters.
"""

from lib.texts import filled
from lib.users import extension_of


def customize_autodistribution(request, call, bitrix, clock, phones, store, settings):
    number = request.get("number") or settings.get("default_extension")
    own = phones.lookup(settings.get("manager_by_client", {}), call.client_number)
    duty = settings.get("duty_extension")
    if duty and not clock.is_working():
        number = duty
    elif own:
        number = own
    elif settings.get("responsible") and call.entity.responsible_id:
        number = extension_of(call.entity.responsible_id, bitrix, store) or number
    change = {}
    if number:
        change["number"] = str(number)
    if name := settings.get("caller_name"):
        change["name"] = filled(name, call)[:20]
    return change
