"""Sphinx settings of the course's site; tools/build_site.py lays out the pages and calls Sphinx."""

import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Machine learning for astronomy"
author = "the authors of the course"
copyright = "the authors: text and figures CC BY 4.0, code MIT"
version = release = PROJECT["version"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
]

# Notebooks come with the outputs of make course.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "sphinx_book_theme"
html_title = project
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_last_updated_fmt = ""
html_show_search_summary = False  # would fetch pages, which a browser forbids where there is no server
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": "main",
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"},
    "show_toc_level": 2,
    "navbar_persistent": [],  # one search box is enough
}

# Pages that answer people, but not robots (`make links` asks every other one).
linkcheck_ignore = [
    r"https://doi\.org/10\.(1086|1093|3847|1088|1103|1038|1146|2307|48550|1073|1117)/.*",  # publishers behind a check
    r"https://(www\.)?kaggle\.com/.*",
    r"https://mybinder\.org/v2/.*",  # would start a machine
    r"https://colab\.research\.google\.com/.*",
    r"https://github\.com/astro-ml-workshop/.*",  # this repository: its tag and form exist once it is published
]
linkcheck_timeout, linkcheck_retries = 20, 2


def escape_patterns(app, what, name, thing, options, lines):
    """Keep a lone star, as in spec-*.fits or (n, *shape), from being read as emphasis."""
    lines[:] = [re.sub(r"^([^*]*)\*([^*]*)$", r"\1\\*\2", line) for line in lines]


def setup(app):
    """Tell Sphinx."""
    app.connect("autodoc-process-docstring", escape_patterns)
