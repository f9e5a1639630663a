"""What a flag that is none of a command's is answered with: what other tools call it, or what is written like it."""

from collections.abc import Iterable

from keras_vit import nested

# {name elsewhere: the option here}; a command that lacks the option answers as for any other word
SYNONYMS = {
    "a": "model",
    "amp": "precision",
    "arch": "model",
    "architecture": "model",
    "aug": "augment",
    "augmentation": "augment",
    "b": "batch_size",
    "backbone": "model",
    "base_lr": "learning_rate",
    "batch": "batch_size",
    "bs": "batch_size",
    "checkpoint": "weights",
    "clip_grad": "clip_norm",
    "config": "options",
    "data_path": "data",
    "dataset": "data",
    "dtype": "precision",
    "e": "epochs",
    "grad_accum_steps": "gradient_accumulation",
    "img": "image_size",
    "img_size": "image_size",
    "imgsz": "image_size",
    "init_lr": "learning_rate",
    "input_size": "image_size",
    "layer_decay_rate": "layer_decay",
    "log_dir": "output",
    "lr": "learning_rate",
    "model_ema_decay": "ema",
    "model_name": "model",
    "momentum_ema": "ema",
    "num_epochs": "epochs",
    "o": "output",
    "opt": "optimizer",
    "out": "output",
    "out_dir": "output",
    "output_dir": "output",
    "pretrained": "weights",
    "random_seed": "seed",
    "reprob": "random_erasing",
    "resolution": "image_size",
    "save_dir": "output",
    "size": "image_size",
    "smoothing": "label_smoothing",
    "train_dir": "data",
    "warmup": "warmup_epochs",
    "wd": "weight_decay",
    "weight_initialization": "weights",
}
# {name elsewhere: why there is none here}
NEEDLESS = {
    "device": "all GPUs of the machine are used; CUDA_VISIBLE_DEVICES chooses among them",
    "gpu": "all GPUs of the machine are used; CUDA_VISIBLE_DEVICES chooses among them",
    "gpus": "all GPUs of the machine are used; CUDA_VISIBLE_DEVICES chooses among them",
    "j": "images are read by as many threads as there are cores",
    "nb_classes": "the classes are those of the data",
    "num_classes": "the classes are those of the data",
    "num_workers": "images are read by as many threads as there are cores",
    "resume": "the same command goes on where it stopped",
    "val_split": "photos/val/CLASS/*.jpg, or a tenth of the images that are left to train on, is the validation",
}
# {option: the command that has it}, for those that are taken for one of another
ELSEWHERE = {
    "images": "keras-vit attention",
    "search": "keras-vit tune classify",
    "space": "keras-vit tune classify",
    "top": "keras-vit predict",
    "trials": "keras-vit tune classify",
}


def answer(word: str, known: Iterable[str]) -> str:
    """Returns the sentence for a `word` of the command line that is none of the options `known`, by flat names."""
    flags = {name: f"--{name.replace('_', '-')}" for name in known}
    said = word.partition("=")[0]
    name = said.lstrip("-–—").replace("-", "_").lower()  # editors make one long dash of two short ones
    if name == said.replace("-", "_").lower():
        return f"no option {word!r}{nested.did_you_mean(said, [])}"
    if SYNONYMS.get(name) in flags:
        return f"no option {said!r}; it is called {flags[SYNONYMS[name]]!r} here"
    if name in flags:
        return f"no option {said!r} (did you mean {flags[name]!r}?)"
    if name in NEEDLESS:
        return f"no option {said!r}, nor is one needed: {NEEDLESS[name]}"
    if name in ELSEWHERE:
        return f"no option {said!r}; {ELSEWHERE[name]} has it"
    return f"no option {said!r}{nested.did_you_mean(f'--{name}'.replace('_', '-'), flags.values())}"
