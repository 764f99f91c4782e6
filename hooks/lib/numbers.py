"""
What phone numbers tell.
"""


def is_domestic(number, phones):
    """
    Return whether the number belongs to the site's own country.
    """
    return phones.same(phones.national(number), number)
