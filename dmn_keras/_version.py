"""The version, in one place: the package, its metadata and every run folder read it here."""

__version__ = "0.2.0"
