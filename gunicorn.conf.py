"""
gunicorn's settings for hookd: `gunicorn -c gunicorn.conf.py`. Where hookd listens stands in hookd.toml.
"""

from hookd.web.server import gunicorn_settings

globals().update(gunicorn_settings())
