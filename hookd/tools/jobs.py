"""
`jobs`: work for later. What is enqueued is on the disk when the hook goes on, and is done by the consumer.
"""

from collections.abc import Mapping

from hookd import metrics
from hookd.errors import InboxFullError, JobError, StorageError, ToolFailedError
from hookd.jobs import JOB, Jobs, check_name
from hookd.points import job_names
from hookd.tools.call import Call, Json, Method


class JobsTool:
    """
    The jobs of all sites.

    Args:
        inbox: Where they are promised.
    """

    def __init__(self, inbox: Jobs) -> None:
        self._inbox = inbox

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        return {"enqueue": Method(self._enqueue, _summary, pretend=_pretend)}

    def _enqueue(self, call: Call) -> Json:
        asked = call.arguments
        try:
            check_name(asked["name"], job_names(call.site.hooks))
            promise = self._inbox.enqueue(
                call.site.name, asked["name"], asked["payload"], delay_s=asked["delay_s"], key=asked["key"]
            )
        except JobError as error:
            raise ToolFailedError(f"{call.name}: {error.message}", error.remedy) from error
        except (InboxFullError, StorageError) as error:
            metrics.LOST_JOBS.labels(call.site.name, JOB, error.code).inc()
            raise ToolFailedError(f"{call.name}: nothing is promised: {error}", "") from error
        return {"id": promise.id, "is_new": promise.is_new}


def _summary(arguments: Mapping[str, Json]) -> str:
    return str(arguments["name"])


def _pretend(arguments: Mapping[str, Json]) -> Json:
    return {"id": "000000000000000000000000", "is_new": True}
