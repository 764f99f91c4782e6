"""
HTTP: the connector's ASGI lane, and the Flask app behind it for people and monitoring.
"""
