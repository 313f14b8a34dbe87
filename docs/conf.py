"""Sphinx settings of the documentation: `make docs` builds it, warnings are errors, and no page fetches anything."""

from __future__ import annotations

import sys
import typing
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from medsr.enhancement import enhancement
from medsr.fusion import entry
from medsr.io import formats
from medsr.io.dicom.options import Policies
from medsr.io.outline import Outline
from medsr.volume import Volume

# The types of `medsr.enhance` are names that only a type checker loads; of one scan, the function that it calls has
# the same.
types = typing.get_type_hints(enhancement.enhance)
one_scan = types["scan"]
entry.enhance.__annotations__ = {**types, "scan": one_scan | Sequence[one_scan]}
# So are those of the table of formats.
vars(formats).update(Outline=Outline, Policies=Policies, Volume=Volume)

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "medsr"
author = "The medsr developers"
release = metadata.version("medsr")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "generated_pages",
    "mathml",
    "plain_docstrings",
]
exclude_patterns = ["_ext"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"  # docstrings write `name`: a link where it is documented, code where it is not
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Mask", "Scan", "Modality", "Mode", "Profile", "Denoiser", "Noise")}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "medsr"
html_static_path = ["_static"]
html_css_files = ["medsr.css"]
html_copy_source = False
html_show_sourcelink = False
