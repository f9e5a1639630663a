"""Examples of docstrings as code: `>>>` begins a quotation in Markdown."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^(>>> .*(?:\n.+)*)", re.MULTILINE)


class Examples(griffe.Extension):
    """Fences each example of a docstring, which ends at an empty line."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\1\n```", obj.docstring.value)
