"""
What differs from trunk to trunk.
"""


def by_trunk(table, call, phones):
    """
    Return the table's entry for the number that the client dialled, else for the trunk, else None.
    """
    return phones.lookup(table, call.did, phones.lookup(table, call.trunk))
