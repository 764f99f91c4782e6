"""
Tell a user in the portal that a client hung up in the voice menu; post_registration enqueues this, once a call.

Needs a portal (bitrix_webhook, or the app) that allows im.notify.system.add. If it does not take it, it is tried again
later; should it have taken it all the same, the tag makes it one notification.
"""


def ivr_missed(job, bitrix):
    missed = job["payload"]
    bitrix.call(
        "im.notify.system.add",
        USER_ID=missed["user"],
        MESSAGE=f"Hung up in the voice menu: {missed['number']}, trunk {missed['trunk']}",
        TAG=f"hookd|ivr_missed|{job['id']}",
        timeout_s=20,
    )
