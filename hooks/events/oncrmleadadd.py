"""
Tell a chat of a new lead; the portal sends this event when one was made.

Setting: lead_chat, the chat's id in Telegram. Needs api.telegram.org among the site's http_hosts, and the bot's
token in secrets/telegram. If Telegram does not take it, it is tried again later.
"""


def oncrmleadadd(event, http, settings):
    chat = settings.get("lead_chat")
    if not chat:
        return
    address = f"https://{event['portal']['domain']}/crm/lead/details/{event['fields']['ID']}/"
    response = http.post(
        "https://api.telegram.org/bot{secret:telegram}/sendMessage",
        json={"chat_id": chat, "text": f"New lead: {address}"},
        timeout_s=20,
    )
    response.raise_for_status()
