"""Docstrings as Markdown: examples, which begin with ``>>>``, are code, and square brackets of formulas are no links."""

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^( *)(>>> .*(?:\n\1\S.*)*)", re.M)
"""An example with what it prints, up to an empty line."""
CODE = r"```.*?```|``.*?``|`[^`]*`"
BRACKET = re.compile(rf"({CODE})|\[", re.S)
"""Code, which stays as it is, or a bracket."""


class Docstrings(Extension):
    """Rewrites every docstring for the reference."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite that of an object that was read."""
        if obj.docstring:
            text = EXAMPLE.sub(r"\1```pycon\n\1\2\n\1```", obj.docstring.value)
            obj.docstring.value = BRACKET.sub(lambda found: found[1] or "&#91;", text)
