"""Files of a tar archive, read without unpacking it and within bounds."""

import gzip
import lzma
import pathlib
import tarfile
import zlib
from collections.abc import Callable, Iterator

MAX_MEMBERS = 10_000  # entries of an archive
MAX_MEMBER_BYTES = 1 << 26  # of one of its files
MAX_BYTES = 1 << 30  # of the whole archive, expanded; at the same time no more than MAX_RATIO times its own
MAX_RATIO = 100  # up to 16 MiB any archive may


def tar_files(
    path: pathlib.Path, select: Callable[[pathlib.PurePosixPath], bool]
) -> Iterator[tuple[pathlib.PurePosixPath, bytes]]:
    """Yield the selected files of a tar archive, which may be compressed by gzip or xz, in its order.

    Args:
        path: The archive. A compressed one can only be read from its start: read all that is wanted in one pass.
        select: Function of an entry's path that returns whether it is wanted.

    Yields:
        Pairs of the entry's path and its bytes.

    Raises:
        ValueError: If the archive is damaged, a selected entry is no plain file inside of it, or a bound is exceeded.
    """
    limit = min(MAX_BYTES, max(1 << 24, MAX_RATIO * path.stat().st_size))
    try:
        with (
            _decompressed(path) as file,
            tarfile.open(fileobj=_Limited(file, limit), mode="r:") as archive,  # type: ignore[call-overload]
        ):
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise tarfile.TarError(f"it has more than {MAX_MEMBERS:,} entries")
                place = pathlib.PurePosixPath(member.name)
                if member.isdir() or not select(place):
                    continue
                if not member.isreg() or member.issparse() or place.is_absolute() or ".." in place.parts:
                    raise tarfile.TarError(f"its entry {member.name!r} is no plain file inside of it")
                if member.size > MAX_MEMBER_BYTES:
                    raise tarfile.TarError(f"its entry {member.name!r} has more than {MAX_MEMBER_BYTES:,} bytes")
                yield place, archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, UnicodeError) as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise ValueError(f"{str(path)!r} cannot be read as an archive: {cause}. It may be incomplete.") from error


def _decompressed(path):
    with path.open("rb") as file:
        begin = file.read(6)
    if begin == b"\xfd7zXZ\0":
        return lzma.open(path)
    return gzip.open(path) if begin[:2] == b"\x1f\x8b" else path.open("rb")


class _Limited:
    """A file to be read by `tarfile`, whose end is an error: an archive declares how much is to be read of it."""

    def __init__(self, file, limit):
        self._file, self._limit = file, limit
        self.tell = file.tell

    def read(self, size):
        data = self._file.read(min(size, self._limit - self.tell() + 1))
        self._check(self.tell())
        return data

    def seek(self, position):
        self._check(position)
        return self._file.seek(position)

    def _check(self, position):
        if position > self._limit:
            raise tarfile.ReadError(f"it expands to more than {self._limit:,} bytes")
