"""
What the portal knows of its users.
"""


def extension_of(user, bitrix, store):
    """
    Return the extension of the user with this id, or None; the portal is asked once an hour, and not waited for.
    """
    key = f"extension of {user}"
    extension = store.get(key)
    if extension is None:
        try:
            found = bitrix.call("user.get", ID=user, timeout_s=0.5)
        except Exception as error:
            print(f"The extension of user {user} is not known. {error}")
            return None
        extension = found[0].get("UF_PHONE_INNER") or "" if found else ""
        store.set(key, extension, ttl_s=3600)
    return extension or None
