"""Memory that a training step frees and the next one needs again."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def keep_freed_memory():
    """Let this process keep the memory it frees, where the C library is glibc.

    A compiled step takes its working memory as one large block and gives it back at its end; by default glibc returns
    such a block to the system, which hands it out anew, page by page and zeroed, in the next step. On one core that is
    up to a third of a step. Threads then share one arena, the one that can hold large blocks.

    For processes that do nothing but train, since it holds for the whole process: `dmn-keras train` and `reproduce`.

    Returns:
        Whether it was set.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))
    return all(mallopt(name, value) == 1 for name, value in settings)
