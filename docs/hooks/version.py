"""The site carries the version of the package it describes: in the title, the footer and the first page."""

from mkdocs.config.defaults import MkDocsConfig

import minicnn


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the version in the header and in the footer of every page."""
    config.site_name = f"minicnn {minicnn.__version__}"
    config.copyright = f"minicnn {minicnn.__version__} · MIT licence"
    return config
