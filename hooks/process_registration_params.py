"""
Register calls as their trunk demands: source of the lead, name of the line, whether to make a lead.

Setting: by_trunk, for each trunk any of CRM_SOURCE, LINE_NUMBER, CRM_CREATE and USER_ID. USER_ID counts only
where nobody's phone rang (the client hung up in the voice menu); other calls stay with the employee.
"""

from lib.trunks import by_trunk


def process_registration_params(call, phones, settings):
    change = by_trunk(settings.get("by_trunk", {}), call, phones) or {}
    if call.extension:
        change.pop("USER_ID", None)
    return change
