"""
hookd answers a telephony connector's customization requests with sandboxed Python hooks.
"""

__version__ = "0.1.0"
