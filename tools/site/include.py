"""A hook of mkdocs: a page with the mark <!-- include: FILE --> shows a file from outside docs/, or a notebook."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"<!-- include: (\S+) -->")


def on_page_markdown(markdown, page, **_):
    """Returns the page with the files that it includes; GitHub shows what stands around the mark."""
    found = _MARK.search(markdown)
    if not found:
        return markdown
    path = ROOT / found[1]
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    pictures = sorted((ROOT / "docs" / "notebooks").glob(f"{path.stem}_*.png"))
    return page_of(json.loads(text), [each.name for each in pictures])


def page_of(notebook, pictures):
    """Returns a notebook in Markdown; each cell that shows a picture is followed by the next of `pictures`."""
    pictures, parts = iter(pictures), []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{source}\n```" if code else source)
        if code and shows_a_picture(source):
            parts.append(f"![What the cell above draws]({next(pictures)})")
    text = "\n\n".join(parts) + "\n"
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text).replace(
        "](../docs/", "](../"
    )  # as seen from docs/notebooks/


def shows_a_picture(source):
    """Tells whether the last line of a cell is a picture."""
    return source.rstrip().splitlines()[-1].startswith("Image(")
