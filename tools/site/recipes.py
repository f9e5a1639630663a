"""A hook of mkdocs: the page of commands and presets is written from their docstrings, with the curves there are."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRESETS = ("classify", "papers")  # modules of keras_vit.tasks.presets
MARK = "<!-- recipes -->"


def on_page_markdown(markdown, page, **_):
    """Returns the page of recipes with all of them, and any other page as it is."""
    if page.file.src_uri != "recipes.md":
        return markdown
    return markdown.replace(MARK, "\n\n".join([*commands(), "## Presets of `train classify`", *presets(), *others()]))


def commands():
    """Yields the section of each command of `keras-vit`."""
    for command, (module, _) in COMMANDS.items():
        yield f"## keras-vit {command} {{ #{module} }}"
        yield text_of(ROOT / "recipes" / f"{module}.py")


def others():
    """Yields the sections of the recipes that are no command."""
    yield "## Other recipes"
    known = {module for module, _ in COMMANDS.values()}
    for path in sorted((ROOT / "recipes").glob("[a-z]*.py")):
        if path.stem not in known:
            yield f"### {path.stem} {{ #{path.stem} }}"
            yield text_of(path)


def presets():
    """Yields the section of each preset: its command, where it is from, and the curves of its run."""
    for module in PRESETS:
        for made in parsed(ROOT / "keras_vit" / "tasks" / "presets" / f"{module}.py").body:
            if not isinstance(made, ast.FunctionDef) or made.name.startswith("_"):
                continue
            name, about = made.name.replace("_", "-"), ast.get_docstring(made)
            data = " --data folder:photos" if "give --data" in about else ""
            yield f"### {name} {{ #preset-{name} }}"
            yield f"```sh\nkeras-vit train classify --preset {name}{data}\n```"
            yield markdown_of(about)
            if (ROOT / "docs" / "curves" / f"{name}.png").exists():
                yield f"![Loss, accuracy and learning rate of each epoch of the preset {name}](curves/{name}.png)"


def text_of(path):
    """Returns the docstring of the module at `path` in Markdown."""
    return markdown_of(ast.get_docstring(parsed(path)))


def markdown_of(docstring):
    """Returns a docstring in Markdown: its commands, indented or a line of their own, in blocks."""
    parts = []
    for part in docstring.split("\n\n"):
        block = all(line.startswith("    ") for line in part.splitlines()) or re.fullmatch(
            r"(keras-vit|python) .*", part
        )
        parts.append("```sh\n" + re.sub(r"^    ", "", part, flags=re.MULTILINE) + "\n```" if block else part)
    return "\n\n".join(parts)


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _commands():
    """Returns {command: (module of the recipe, what it does)}, as keras_vit/__main__.py has it."""
    for node in parsed(ROOT / "keras_vit" / "__main__.py").body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS":
            return ast.literal_eval(node.value)
    raise ValueError("keras_vit/__main__.py has no COMMANDS")


COMMANDS = _commands()
