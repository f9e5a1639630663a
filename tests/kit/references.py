"""Reference models with random weights, saved under their own names and compared with ours."""

import numpy as np

from keras_vit import build
from keras_vit.weights import load_weights


def random_reference(model, seed=0):
    """Moves every parameter and running statistic of a torch `model` away from its initial value; evaluation mode."""
    import torch

    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim <= 1 and weight.std() < 1e-3 and weight.abs().mean() < 0.1:
                weight.normal_(0, 0.2)  # a bias at 0, a LayerScale at 1e-5: either would hide a fault
            else:
                weight.add_(0.05 * torch.randn_like(weight))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.3)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return model.eval()


def save_reference(model, path):
    """Writes the state of a torch `model` as safetensors with its own names, and returns `path`."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}, path)
    return path


def torch_output(model, images):
    """Returns what the torch `model` gives for `images` (B, H, W, C)."""
    import torch

    with torch.no_grad():
        return model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


def images_of(size, count=2, channels=3):
    """Returns random normal images (count, *size, channels)."""
    return np.random.default_rng(5).normal(size=(count, *size, channels)).astype("float32")


def relative(got, expected):
    """Returns the largest difference, as a share of the largest expected value."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{got.shape} is compared with {expected.shape}"
    return np.abs(got - expected).max() / np.abs(expected).max()


def difference_to(reference, path, name, size, source, **overrides):
    """Loads the file of `reference` into our `name` at `size` and returns the relative difference of the outputs."""
    model = build(name, image_size=size, **overrides)
    report = load_weights(model, path)
    assert report.source == source
    images = images_of(size)
    return relative(model(images, training=False), torch_output(reference, images).numpy())
