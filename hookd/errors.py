"""
Every error that hookd raises on purpose, in three families by who has to act.

The sender posted something that is no request; the integrator's hook, settings or test is wrong; the operator's
configuration or machine is. The class carries the machine word and, for the sender's family, the HTTP status, so that
one handler turns the whole tree into one JSON shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """
    One place where a document breaks its contract.

    Attributes:
        path: JSON Pointer (RFC 6901) into the document; "" is the document itself.
        message: What is wrong there, what is allowed, and what to do.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or '/'}: {self.message}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """
    What is wrong in an integrator's file, for people who are not Python experts.

    Attributes:
        file: Path as the integrator knows it, relative to the hooks directory.
        line: Line in it, from 1; 0 where the whole file is meant.
        message: What is wrong, and the limit or what is allowed.
        remedy: What to write or do instead; "" where the message says it.
    """

    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message} {self.remedy}".rstrip()


class HookdError(Exception):
    """Root of hookd's errors; caught only at the edges, never raised itself."""

    code = "internal"  # stable word for logs, metrics and JSON replies
    status = 500  # HTTP status of the reply


class SenderError(HookdError):
    """What came in is no request that hookd can answer."""

    code = "bad_request"
    status = 400


class NotJsonError(SenderError):
    """The body is not JSON, or JSON that parsers disagree on."""

    code = "not_json"


class NotFormError(SenderError):
    """The body is no form, or one that no portal sends: too large, too deep, of too many variables."""

    code = "not_form"


class EnvelopeError(SenderError):
    """The fields are no event or placement: no code, or no portal."""

    code = "envelope"


class ContractError(SenderError):
    """No valid reply can be built from the request."""

    code = "contract"
    status = 422

    def __init__(self, point: str, violations: Sequence[Violation]) -> None:
        super().__init__(f"{point}: " + "; ".join(map(str, violations)))
        self.point = point
        self.violations = tuple(violations)


class RefusedError(SenderError):
    """The sender may not ask this, here or with this token."""

    code = "refused"
    status = 403


class MissingTokenError(RefusedError):
    """There is no token where one is needed."""

    code = "unauthorized"
    status = 401


class UnknownPointError(SenderError):
    """There is no such point, or no such site."""

    code = "unknown_point"
    status = 404


class UntrustedError(RefusedError):
    """The sender does not prove to be the portal that it names."""

    code = "untrusted"


class ExpiredPageError(RefusedError):
    """A page in a portal was open for too long: the proof that it was opened with is no longer good."""

    code = "expired"


class BusyError(SenderError):
    """There is too much of this to do at the moment; it is tried again later."""

    code = "busy"
    status = 503


class MethodError(SenderError):
    """A point is asked with POST."""

    code = "method"
    status = 405


class GoneError(HookdError):
    """The sender hung up before its body was there: nobody is left to answer."""

    code = "gone"


class SlowBodyError(SenderError):
    """The body did not come in time."""

    code = "slow_body"
    status = 408


class TooLargeError(SenderError):
    """The body is longer than any request of a connector."""

    code = "too_large"
    status = 413


class LargeHeadError(SenderError):
    """The request's headers are longer than any sender's."""

    code = "large_head"
    status = 431


class IntegratorError(HookdError):
    """What an integrator wrote is wrong."""

    code = "load"


class LoadError(IntegratorError):
    """
    A hook cannot be used: it does not compile, asks for what there is not, or may not be read.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class ReplyError(IntegratorError):
    """What a hook returned breaks the reply schema of its point."""

    code = "contract"

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = tuple(violations)


class ToolFailedError(IntegratorError):
    """
    A tool could not do what a hook asked of it; the hook is told, and may go on.

    Attributes:
        message: What went wrong, and what is allowed; free of secrets.
        remedy: What to do.
    """

    code = "tool"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class JobError(IntegratorError):
    """
    A job cannot be enqueued as it was asked for.

    Attributes:
        message: What is wrong.
        remedy: What is allowed.
    """

    code = "job"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class SampleError(IntegratorError):
    """A sample, a change to one, or a test case is not what it should be."""

    code = "usage"


class OperatorError(HookdError):
    """The configuration, the machine or the installation is wrong."""

    code = "operator"


class SettingsError(OperatorError):
    """A setting is unknown, of a wrong type or out of its range."""

    code = "settings"


class UsageError(OperatorError):
    """A command was given what there is not, or would have to overwrite a file."""

    code = "usage"


class SandboxError(OperatorError):
    """The sandbox cannot be started or does not answer."""

    code = "sandbox"


class StoppedError(OperatorError):
    """hookd is stopping, and does nothing new."""

    code = "stopping"


class StorageError(OperatorError):
    """A database of the state directory cannot be used: damaged, read-only, of a newer hookd, on a full disk."""

    code = "storage"


class InboxFullError(OperatorError):
    """
    A site has as many jobs and events as it may have, so that no more are taken.

    Attributes:
        setting: Whose limit is reached.
        message: How much there is.
        remedy: What to do.
    """

    code = "full"
    status = 503

    def __init__(self, site: str, setting: str, waiting: int, mb: int) -> None:
        self.setting = setting
        self.message = f"site {site} has {waiting} jobs and events that have not ended, {mb} MB with those that have."
        self.remedy = f"That is all it may have: {setting}. `hookd jobs list` and `hookd events list` show them."
        super().__init__(f"{self.message} {self.remedy}")


class ConsumerError(OperatorError):
    """There cannot be a second consumer on the same state directory."""

    code = "consumer"


class VaultError(OperatorError):
    """The key of the portals' tokens cannot be read, or is another one."""

    code = "vault"


class PortalError(HookdError):
    """
    A portal, or its authorization server, does not do what was asked.

    Attributes:
        message: What went wrong; free of tokens.
        reason: Its own word for it, such as `QUERY_LIMIT_EXCEEDED` or `ACCESS_DENIED`; one of hookd's in lower case
            where the portal gave none: `unreachable`, `slow`, `aborted`, `odd_answer`.
        remedy: What to do; "" where the message says it.
    """

    code = "portal"

    def __init__(self, message: str, reason: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".rstrip())
        self.message = message
        self.reason = reason
        self.remedy = remedy


class UnknownPortalError(PortalError):
    """The portal has not installed hookd's app, or there are several and it was not said which."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, "unknown_portal", remedy)
