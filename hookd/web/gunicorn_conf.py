"""
gunicorn's configuration module for hookd: `gunicorn -c python:hookd.web.gunicorn_conf`, as `hookd serve` starts it.
"""

from hookd.web.server import gunicorn_settings

globals().update(gunicorn_settings())
