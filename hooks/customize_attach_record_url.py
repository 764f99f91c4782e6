"""
Write a plain link to the recording instead of the player, or link to another host.

Settings, each works alone: link is the text of the plain link; replace says what in the address becomes what,
such as a host that only the office reaches.
"""

from html import escape


def customize_attach_record_url(request, call, settings):
    change = {"DESCRIPTION": request["DESCRIPTION"]}
    text = settings.get("link")
    if text and call.record:
        link = f'<a href="{escape(call.record)}">{escape(text)}</a>'
        change = {"DESCRIPTION": link, "DESCRIPTION_TYPE": 3}  # 3 is HTML
    for old, new in settings.get("replace", {}).items():
        change["DESCRIPTION"] = change["DESCRIPTION"].replace(old, new)
    return change
