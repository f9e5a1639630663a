"""The command `keras-vit`, also `python -m keras_vit`: a tree of commands, each a recipe with options of its own."""

import itertools
import sys
from collections.abc import Sequence

import keras_vit
from keras_vit import cli, nested, quiet
from keras_vit.backend import load
from keras_vit.training.runs import provenance

# {command: (module of keras_vit.recipes, what it does)}. A module is loaded when its command is called: most of them
# load TensorFlow, which the tree does without.
COMMANDS = {
    "list": ("list_models", "models with parameters, GMACs and published checkpoints"),
    "info": ("describe_model", "one model in detail"),
    "train classify": ("train_classifier", "train a classifier of images"),
    "tune classify": ("tune_classifier", "search for better options of a training"),
    "attention": ("draw_attention", "draw where a model looks on images of yours"),
    "compare": ("compare_networks", "train six kinds of networks alike and report what they do"),
    "predict": ("predict_classes", "name the classes of image files"),
    "evaluate": ("evaluate_classifier", "measure a classifier on its test images, or on other data"),
    "export": ("export_model", "write a model as a SavedModel for TensorFlow Serving"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Calls the command that `arguments` begin with; what can't be done is a line on stderr and exit status 2."""
    quiet.start()
    cli.call(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))


def _main(arguments):
    for command, (module, _) in COMMANDS.items():
        words = command.split()
        if arguments[: len(words)] == words:
            recipe = load(f"keras_vit.recipes.{module}")
            return recipe.main(arguments=arguments[len(words) :], prog=f"keras-vit {command}")
    if arguments in (["--version"], ["-V"]):
        return print(_version())
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    below = [command for command in COMMANDS if command.split()[: len(words)] == words]
    if not below or not {"-h", "--help"}.issuperset(arguments[len(words) :]):
        raise ValueError(_unknown(words or arguments))
    print("usage: keras-vit COMMAND ...\n")
    for command in below:
        print(f"  {command:<16}{COMMANDS[command][1]}")
    print("\nkeras-vit COMMAND --help shows the options of a command, keras-vit --version the versions.")


def _version():
    """Returns the version of keras_vit and of what it stands on, none of which is loaded for it."""
    found = provenance.versions()
    below = [f"{name} {found[name]}" for name in ("keras", "tensorflow", "tensorflow-cpu", "python") if name in found]
    return f"keras_vit {keras_vit.__version__} ({', '.join(below)})"


def _unknown(words):
    """Returns the sentence for words that no command begins with."""
    siblings = [command for command in COMMANDS if command.split()[0] == words[0]]
    depth = 1 if siblings else 0  # of the first word that is wrong, or missing
    known = dict.fromkeys(command.split()[depth] for command in siblings or COMMANDS)
    hint = nested.did_you_mean(words[depth], known) if words[depth:] else ""
    return f"no command {' '.join(words[: depth + 1])!r}{hint}; it is one of {', '.join(siblings or COMMANDS)}"


if __name__ == "__main__":
    main()
