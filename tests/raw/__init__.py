"""
The jail without the language layer: what holds when a hook has got hold of the whole interpreter.
"""
