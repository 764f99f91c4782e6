"""
What a process allocates after it was packed.
"""

import subprocess
import sys

# Holes in the memory of a process: every second one of many objects is gone. Then new ones of the same size.
SOURCE = """
import gc, sys
from hookd.sandbox import packing

gc.disable()
kept = [bytes(67) for _ in range(20_000)]
holes = set(map(id, kept[::2]))
del kept[::2]
if sys.argv[1:]:
    packing.fill()
new = [bytes(67) for _ in range(100)]
print(len(holes & set(map(id, new))), len({id(each) // 4096 for each in new}) <= 5)
"""


def test_what_is_new_lies_together() -> None:
    """
    Without packing new objects go where others were, on pages with much else; with it they lie on pages of their own.
    """
    plain = subprocess.run([sys.executable, "-c", SOURCE], capture_output=True, text=True, timeout=60)
    packed = subprocess.run([sys.executable, "-c", SOURCE, "packed"], capture_output=True, text=True, timeout=60)

    assert plain.stdout == "100 False\n"
    assert packed.stdout == "0 True\n"
