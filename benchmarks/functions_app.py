"""hook.py as functions-framework runs it: a function of a Flask request."""

from typing import Any

import flask

from benchmarks.hook import process_client_phone


def answer(request: flask.Request) -> dict[str, Any]:
    """Return what the hook makes of the request's JSON, in the connector's envelope."""
    return {"data": process_client_phone(request.get_json()), "state": "success"}  # type: ignore[no-untyped-call]
