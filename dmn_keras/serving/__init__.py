"""A trained model in production: export as a SavedModel, ask a server."""

from dmn_keras.serving.client import Client, ServerError, Tls
from dmn_keras.serving.export import export, export_litert, versions
from dmn_keras.serving.samples import SAMPLES

__all__ = ["SAMPLES", "Client", "ServerError", "Tls", "export", "export_litert", "versions"]
