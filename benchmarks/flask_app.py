"""What Flask costs alone: a view that reads nothing and computes nothing."""

from typing import Any

import flask

app = flask.Flask(__name__)


@app.post("/process_client_phone")
def process_client_phone() -> dict[str, Any]:
    """Answer what the hook would, as a constant."""
    return {"data": {"phone": "+79001234567"}, "state": "success"}
