"""
What stands for a module in a hook.
"""

from collections.abc import Mapping

from hookd.sandbox.language.refusals import MEMBERS
from hookd.sandbox.language.remedies import short, with_remedy


class Namespace:
    """
    What a hook gets for a module: names and values, looked up by the guard and by nothing else.
    """

    __slots__ = ("members", "name")

    def __init__(self, name: str, members: Mapping[str, object]) -> None:
        self.name = name
        self.members = members

    def __repr__(self) -> str:
        return f"<module {self.name}>"

    def get(self, name: str) -> object:
        """
        Return the member *name*.

        Raises:
            AttributeError: There is none; with what is offered and a remedy.
        """
        if name in self.members and not name.startswith("_"):
            return self.members[name]
        refusal = MEMBERS.get(f"{self.name}.{name}")
        reason = refusal.reason if refusal else "it is not offered."
        raise with_remedy(
            AttributeError(f"{self.name}.{short(name)}: {reason}"), refusal.remedy if refusal else self.offered()
        )

    def offered(self) -> str:
        """Return a sentence with all names."""
        names = sorted(name for name in self.members if not name.startswith("_"))
        return f"{self.name} offers: {', '.join(names) or 'nothing'}."
