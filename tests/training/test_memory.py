"""Memory that is kept: looked at in processes of their own, since it holds for a whole process."""

import platform
import subprocess
import sys

import pytest

FREED = """
import ctypes, resource, sys
sys.argv[0] = "dmn-keras"  # for an import without Keras
sys.path.insert(0, {root!r})
from dmn_keras.training.memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(100 * 2**20)
    ctypes.memset(block, 1, 100 * 2**20)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print([new_pages() for _ in range(2)][-1])
assert keep_freed_memory()
print([new_pages() for _ in range(2)][-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is asked to keep memory")
def test_a_block_given_back_is_taken_again_without_new_pages(pytestconfig):
    code = FREED.format(root=str(pytestconfig.rootpath))
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    by_default, kept = map(int, printed.split())
    assert by_default > 1000
    assert kept < 100


def test_another_system_is_left_alone(monkeypatch):
    from dmn_keras.training.memory import keep_freed_memory

    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
