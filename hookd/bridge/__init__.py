"""
The way from the connector to hookd: one PHP file under the name of each action, its installation, and its check.
"""
