"""Settings of the documentation, for Sphinx: `python -m sphinx -W docs docs/_build`."""

import inspect
import pathlib
import re

from sphinx_gallery.sorting import ExplicitOrder

import dmn_keras

project = "dmn_keras"
author = "The dmn_keras authors"
copyright = "2026, The dmn_keras authors"
version = release = dmn_keras.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "tutorials", "gallery/*.ipynb", "gallery/*.py"]
html_theme = "furo"
html_title = f"dmn_keras {version}"
html_static_path = []
templates_path = ["_templates"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # docstrings put names and code between single backticks
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Call arguments", "params_style"), ("Class attributes", "params_style")]
napoleon_use_rtype = False

TUTORIALS = (
    "own_data.py",
    "sentiment.py",
    "tagging.py",
    "visual_questions.py",
    "long_stories.py",
    "hyperparameter_search.py",
    "model_from_layers.py",
    "ntm_copy.py",
    "custom_task.py",
)
"""From the simple to the special; others come last."""

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "parallel": 2,
    "within_subsection_order": ExplicitOrder([*TUTORIALS, "*"]),
    "default_thumb_file": str(pathlib.Path(__file__).parents[1] / "benchmarks/figures/attention.png"),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}


def _signature(app, what, name, obj, options, signature, return_annotation):
    """Return the arguments of `__init__`: Keras' `Layer.__new__` hides them."""
    if what == "class" and "__init__" in vars(obj):
        parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
        return str(inspect.Signature(parameters)), return_annotation
    return None


def _plurals(app, what, name, obj, options, lines):
    """Separate code from letters behind it, as in "`Answer`s", which reStructuredText does not read as code."""
    lines[:] = [re.sub(r"(`[^`\s][^`]*`)(?=\w)", r"\1\\ ", line) for line in lines]


def setup(app):
    """Connect the handlers above to Sphinx' events."""
    app.connect("autodoc-process-docstring", _plurals)
    app.connect("autodoc-process-signature", _signature)
