"""What the guides show works as it stands there: their Python runs in their order, their commands are understood."""

import io
import itertools
import re
import shlex
import tokenize
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_vit import __main__, cli
from keras_vit.backend import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = ("first_training", "fine_tuning", "serving")  # each goes on with what the one before it left behind
TRANSLATED = ("index", "first_training", "serving")


def blocks_of(name, language="python"):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def photograph(path, value):
    """Writes a noisy picture that is the brighter the larger `value` is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 60, (37, 53, 3))
    Image.fromarray((noise + value).astype("uint8")).save(path)


@pytest.mark.slow
def test_the_python_of_the_guides_runs_from_a_folder_of_photographs_to_a_served_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for label, value in (("cat", 30), ("dog", 150)):
        for number in range(1, 41):
            photograph(tmp_path / "photos" / label / f"{number:04}.jpg", value + number)
        photograph(tmp_path / f"{label}.jpg", value)
    for guide in GUIDES:
        state = {"__name__": guide}
        for block in blocks_of(guide):
            exec(re.sub(r"\bepochs=\d+", "epochs=2, warmup_epochs=0.5", block), state)
        if guide == "first_training":
            assert state["maps"].shape == (2, 4, 4)
    assert (tmp_path / "served" / "photos" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translation_has_the_same_code(name):
    for language in ("python", "sh", "text"):
        english, japanese = (list(map(code_of, blocks_of(page, language))) for page in (name, f"{name}.ja"))
        assert (english and english == japanese) or (language == "text" and english == japanese)


def code_of(block):
    """Returns the tokens of a block, without its comments."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(block).readline))
        return [each.string for each in tokens if each.type not in (tokenize.COMMENT, tokenize.NL)]
    except (tokenize.TokenError, IndentationError):  # of a shell
        return re.sub(r"(^|\s)#.*", "", block).split()


def commands():
    """Returns [(page, line)] of every call of keras-vit in a block of shell commands."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, line) for line in lines if re.match(r"(keras-vit|srun .*exec keras-vit) ", line)]
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda each: re.sub(r"\W+", "-", each)[:60])
def test_a_command_on_a_page_is_understood(page, line):
    line = line.partition("exec ")[2].rstrip("'") if line.startswith("srun") else line
    words = shlex.split(re.sub(r'"?\$\w+"?', "0", re.sub(r"…|--options \S+", "", line)), comments=True)[1:]
    words = [word for word in itertools.takewhile(lambda word: word != ">", words) if word != "--help"]
    if words:  # keras-vit --help alone shows the tree
        (command,) = [each for each in __main__.COMMANDS if words[: len(each.split())] == each.split()]
        recipe = load(f"keras_vit.recipes.{__main__.COMMANDS[command][0]}")
        _, presets, description, *kind = recipe.main.args  # of cli.run
        cli.parse(presets, description, words[len(command.split()) :], *kind)  # exits where it can't be used
