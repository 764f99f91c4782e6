"""
Makes what a fork allocates lie together: a page that it writes to is copied, for it alone.

Python takes the free blocks between what is there first. In a fork of a process that has loaded much each of them may
lie on another page. So the zygote puts something into all of them: then a fork allocates on pages of its own, a few.
"""

import sys

# Objects/obmalloc.c: a block has 16 bytes or a multiple, 512 at most; a pool is for one size.
STEP_BYTES, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX, POOL_BYTES = 16, 48, 512, 16_384
BYTES_HEADER = sys.getsizeof(b"")
FILLERS_MAX = 100_000  # several times what there is: where blocks never come in a row, memory is managed otherwise

_fillers: list[object] = [None] * BLOCK_BYTES_MAX  # so long that it lies in no block itself


def fill() -> None:
    """
    Put something into every free block, for good.
    """
    for size in range(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX + 1, STEP_BYTES):
        row = last = 0
        # A whole pool in a row is a new one: the others are full.
        while row < POOL_BYTES // size - 1 and len(_fillers) < FILLERS_MAX:
            _fillers.append(bytes(size - BYTES_HEADER))
            row = row + 1 if id(_fillers[-1]) == last + size else 1
            last = id(_fillers[-1])
        del _fillers[len(_fillers) - row :]
