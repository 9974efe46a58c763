"""A folder that one process writes at a time, with a record of what wrote it."""

import contextlib
import os
import pathlib
import re
import shutil
from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from dmn_keras._version import __version__
from dmn_keras.utils.files import TEMPORARY_PREFIX, read_json, write_json

LOCK = ".lock"


class Folder:
    """A run, an index or a search on the disk: a record in JSON, and the files beside it.

    The record holds the number of the folder's format and the version that wrote it. It tells a folder of this kind
    from any other, so that nothing else is overwritten or removed.

    Class attributes, set by each kind:
        kind: What the folder holds, with its article, e.g. `"a run"`.
        writer: The command that writes it, e.g. `"dmn-keras train"`.
        record_name: Name of the record's file.
        format: Number of the layout; a folder with another one is refused.
        entries: Names of all files and folders that such a folder may hold, `*` allowed, the record among them.
        remedy: Last sentence of the messages about damage.

    Args:
        path: The folder; it need not exist.
    """

    kind: ClassVar[str]
    writer: ClassVar[str]
    record_name: ClassVar[str]
    format: ClassVar[int] = 1
    entries: ClassVar[Collection[str]]
    remedy: ClassVar[str] = "Nothing was changed."

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self.record = self.path / self.record_name

    def exists(self) -> bool:
        """Return whether the folder holds what its kind says, finished or not."""
        return self.record.exists()

    def write_record(self, **content: Any) -> None:
        """Write the record, with format and version, atomically; creates the folder."""
        write_json(self.record, {"format": self.format, "dmn_keras": __version__, **content})

    def read_record(self, *fields: str) -> dict[str, Any]:
        """Read the record.

        Args:
            *fields: Names that it must have.

        Returns:
            Dict of its fields, format and version left out.

        Raises:
            FileNotFoundError: If the folder or its record is not there.
            ValueError: If the record is damaged or of another format.
        """
        if not self.exists():
            raise self.missing()
        try:
            content = read_json(self.record)
        except ValueError as error:
            if error.__cause__ is None:  # no regular file
                raise
            raise self.damaged(error.__cause__) from error
        if not isinstance(content, dict):
            raise self.damaged("it holds no object")
        written, version = content.pop("format", None), content.pop("dmn_keras", None)
        if not isinstance(written, int):
            raise self.damaged(f"format must be a whole number. Received: {written!r}")
        if written != self.format:
            age = "newer" if written > self.format else "older"
            raise ValueError(
                f"{self.path} was written by a version of dmn_keras that is {age}: {version}, format {written}. "
                f"This is dmn_keras {__version__}, which reads format {self.format}. {self.remedy}"
            )
        for name in fields:
            if name not in content:
                raise self.damaged(f"it lacks {name!r}")
        return content

    def missing(self) -> FileNotFoundError:
        """Return the error for a folder that does not hold what its kind says."""
        what = f"does not hold {self.kind}" if self.path.is_dir() else "does not exist"
        return FileNotFoundError(
            f"{self.path} {what}: expected a folder that `{self.writer}` wrote ({self.record_name})."
        )

    def damaged(self, why: object, path: str | os.PathLike | None = None) -> ValueError:
        """Return the error for a damaged file.

        Args:
            why: What is wrong with it, without a full stop.
            path: The file; the record by default.
        """
        return self.written_later() or ValueError(f"{path or self.record} is damaged: {why}. {self.remedy}")

    def written_later(self) -> ValueError | None:
        """Return the error for a record that a newer version wrote, which this one cannot read; `None` for others."""
        try:
            version = read_json(self.record)["dmn_keras"]
            newer = _numbers(version) > _numbers(__version__)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if not newer:
            return None
        return ValueError(
            f"{self.path} was written by a version of dmn_keras that is newer: {version}. This is dmn_keras "
            f"{__version__}. {self.remedy}"
        )

    def refuse_foreign(self) -> None:
        """Raise if writing here could overwrite what something else wrote.

        Raises:
            FileExistsError: If the folder holds no record but one of the `entries`, or holds one as a symbolic link.
            NotADirectoryError: If the path is a file.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} must be a folder. It is a file.")
        for path in self._own_entries():
            if path.is_symlink():
                raise FileExistsError(
                    f"{path} is a symbolic link, and to write through it would change another file. Remove it, or "
                    "choose another output folder."
                )
            if not self.exists():
                raise FileExistsError(
                    f"{path} exists and does not belong to {self.kind}: {self.record_name} is missing. Choose another "
                    "output folder."
                )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing here; creates the folder. The system frees the lock of a killed process.

        Raises:
            BlockingIOError: If another process holds the lock.
            OSError: If the folder cannot be written.
        """
        import filelock

        self.path.mkdir(parents=True, exist_ok=True)
        try:
            lock = filelock.FileLock(self.path / LOCK, timeout=0).acquire()
        except filelock.Timeout as error:
            raise BlockingIOError(
                f"{self.path} is being written by another process. Wait for it to end, or choose another output folder."
            ) from error
        with lock:
            self.remove_leftovers()
            yield

    def remove_leftovers(self) -> None:
        """Remove what a killed process left half written; for the holder of the lock."""
        for path in self.path.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the `entries`, the record last, and nothing else that may lie in the folder."""
        self.remove_leftovers()
        for path in sorted(self._own_entries(), key=self.record.__eq__):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _own_entries(self) -> list[pathlib.Path]:
        found = self.path.iterdir() if self.path.is_dir() else ()
        return sorted(path for path in found if any(map(path.match, self.entries)))


def _numbers(version):
    """Return the numbers that a version begins with, `(0, 2, 0)` of `"0.2.0"` and `(0, 3)` of `"0.3rc1"`."""
    return tuple(map(int, re.match(r"\d+(\.\d+)*", version)[0].split(".")))
