"""
Tell a chat of a missed call; process_final_params enqueues this, once a call.

Setting: missed_chat, the chat's id in Telegram. Needs api.telegram.org among the site's http_hosts, and the bot's
token in secrets/telegram. If Telegram does not take it, it is tried again later.
"""


def missed_call(job, http, settings):
    chat = settings.get("missed_chat")
    if not chat:
        return
    missed = job["payload"]
    response = http.post(
        "https://api.telegram.org/bot{secret:telegram}/sendMessage",
        json={"chat_id": chat, "text": f"Missed call: {missed['number']}, trunk {missed['trunk']}"},
        timeout_s=20,
    )
    response.raise_for_status()
