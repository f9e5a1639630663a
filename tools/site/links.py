"""A hook of mkdocs: links to code of the repository, which GitHub follows, lead to its documentation on the site."""

import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_LANGUAGES = re.compile(r"^\[(?:English|日本語)\]\([\w.]+\)\n", re.MULTILINE)


def on_page_markdown(markdown, page, **_):
    """Returns the page's Markdown, without the link to its other language: the site has a switch of its own."""
    markdown = _LANGUAGES.sub("", markdown)
    return _LINK.sub(lambda match: site_link(match, PurePosixPath(page.file.src_uri).parent), markdown)


def site_link(match, folder):
    """Returns the link in `match`, of a page in `folder` below docs/, as it has to be on the site."""
    text, target = match.groups()
    path, _, anchor = target.partition("#")
    if "://" in target or not path.startswith("../"):
        return match[0]
    up = "../" * len(folder.parts)
    name = (ROOT / "docs" / folder / path).resolve().relative_to(ROOT)
    match name.parts:
        case ["recipes", _] if name.suffix == ".py":
            return f"[{text}]({up}recipes.md#{name.stem})"
        case ["keras_vit", *_] if name.suffix == ".py":
            return f"[{text}]({up}{place_of('.'.join(name.with_suffix('').parts).removesuffix('.__init__'))})"
        case ["recipes"]:
            return text
        case ["notebooks", _]:
            return f"[{text}]({up}notebooks/{name.stem}.md)"
        case [page] if page in PAGES:
            return f"[{text}]({up}{PAGES[page]}{'#' + anchor if anchor else ''})"
    return match[0]  # within docs/, or for strict mode to refuse


def place_of(module):
    """Returns the page of the API, and the place on it, where the first object of `module` stands."""
    pages = sorted((ROOT / "docs" / "api").glob("*.md"), key=lambda page: page.stem == "index")
    for page in pages:
        for name in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            if f"{name}.".startswith(f"{module}."):
                return f"api/{page.name}#{name}" if name != module else f"api/{page.name}"
    raise ValueError(f"no page of docs/api has anything of {module}, which a page links to")
