"""The help of every command, as the command line prints it, on the page of commands."""

import argparse
import os

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from minicnn.cli import COMMANDS

MARK = "<!-- commands: the site has the help of every command here -->"


def helps() -> str:
    """A section for every command."""
    os.environ["COLUMNS"] = "110"
    commands = argparse.ArgumentParser(prog="minicnn").add_subparsers()
    for command in COMMANDS:
        command.add(commands)
    return "\n\n".join(f"## {name}\n\n```text\n{parser.format_help()}```" for name, parser in commands.choices.items())


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put them in the place of the mark."""
    return text.replace(MARK, helps()) if MARK in text else text
