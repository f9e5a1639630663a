"""Exports a model as a SavedModel for TensorFlow Serving, with its preprocessing and labels inside.

    keras-vit export runs/photos                # to runs/photos/served/1, or the next number that is free
    keras-vit export runs/photos/best.keras served/1

Prints how to serve it and how to ask it. A folder that holds something is never written to.
"""

import functools
import re
import shlex
from pathlib import Path
from typing import Annotated

import tyro

import keras_vit
from keras_vit import checked, cli, models, saved, serving


@checked.options
class Options:
    """What to export, and where."""

    model: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="MODEL")]] = tyro.MISSING
    """folder of a run, a .keras file, MODEL:TAG of a published checkpoint, or MODEL:PATH"""
    folder: tyro.conf.Positional[Annotated[str | None, tyro.conf.arg(metavar="FOLDER")]] = None
    """new folder to write to, such as served/1; served/NUMBER in the folder of the run unless given"""


def export(options):
    """Exports the model and prints where, and what to do next; ValueError for what can't be exported."""
    folder = Path(options.folder or default_folder(options.model))
    model = models.model_of(options.model)
    models.check_head(options.model, model)
    folder = keras_vit.export(model, folder)
    print(f"exported to {folder}\n\n{next_steps(folder, options.model, takes_files=model.input.shape[-1] in (1, 3))}")


def default_folder(name: str) -> Path:
    """Returns the next free version in the run called `name`; ValueError for what is no run's folder."""
    if not saved.is_run(name) and not (Path(name) / saved.BEST).is_file():
        raise ValueError(f"{name!r} is no folder of a run to write into; say where to export to, as in served/1")
    return serving.free_version(Path(name) / "served")


def next_steps(folder: Path, model: str, takes_files: bool) -> str:
    """Returns the commands that serve `folder` by TensorFlow Serving, and ask it about an image."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(model).name.removesuffix(".keras")).strip("-") or "model"
    here = folder.resolve()
    mount = f"{here.parent}:/models/{name}" if here.name.isdecimal() else f"{here}:/models/{name}/1"
    lines = [
        "serve it:",
        f"  docker run -p 8501:8501 -v {shlex.quote(mount)} -e MODEL_NAME={name} tensorflow/serving",
    ]
    if takes_files:
        body = (
            """'{"signature_name": "serving_bytes", "instances": [{"b64": "'$(base64 < FILE.jpg | tr -d '\\n')'"}]}'"""
        )
        lines += [
            "name the classes of FILE.jpg:",
            f"  echo {body} | curl -d @- http://localhost:8501/v1/models/{name}:predict",
        ]
    return "\n".join(lines)


main = functools.partial(cli.run, export, {"plain": Options}, __doc__)

if __name__ == "__main__":
    main()
