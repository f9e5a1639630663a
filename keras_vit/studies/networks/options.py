"""What a comparison of networks is asked for."""

from keras_vit import checked
from keras_vit.files import local_path


@checked.options
class Options:
    """Which networks are compared, on what, and with how much training each."""

    data: str = "digits"
    """digits, folder:PATH with one folder of images a class, or a data set of tensorflow-datasets"""
    data_dir: str | None = None
    """where tensorflow-datasets keeps its files; its own place by default"""
    networks: tuple[str, ...] = ("MLP", "LeNet", "ResNet", "ViT", "hybrid", "Mixer")
    """which to compare"""
    image_size: int = 32
    """side in pixels that images are brought to for all networks, a multiple of 32"""
    width: int = 48
    """of the tokens of the ViT, the hybrid and the Mixer, a multiple of 16; the others are made about as large"""
    depth: int = 4
    """blocks of the ViT and the hybrid"""
    train_fraction: float = 1.0
    """part of the training images that the study calls 100 %"""
    shares: tuple[float, ...] = (0.1, 0.3, 1.0)
    """parts of these that are trained on, the last the largest; every training takes the same number of steps"""
    processes: int = 1
    """trainings that go on at a time, each on one core of the processor; a single one has all devices of the machine"""
    seeds: int = 3
    """trainings on the largest share, of which the spread is shown; one on each smaller share"""
    epochs: int = 30
    """over the largest share"""
    batch_size: int = 64
    learning_rate: float = 2e-3
    """at the end of the warm-up, a tenth of the training; it then falls to 0 as a cosine"""
    weight_decay: float = 0.05
    augment: str = "flip-crop"
    """as in train_classifier"""
    images: int = 2000
    """test images on which the trained networks are looked into, and training images for the probes"""
    output: str = "runs/compare"
    """the folder of the study; the same command there goes on where it stopped"""
    fresh: bool = False
    """start over: remove what earlier trainings wrote to the folder"""


def check(options: Options) -> None:
    """Raises ValueError where the options make no comparison, whatever the data."""
    local_path(options.output)
    shares = options.shares
    if not shares or list(shares) != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] <= 1:
        raise ValueError(f"shares rise from above 0 to at most 1, such as 0.1 0.3 1, not {shares}")
    if min(options.seeds, options.processes, len(options.networks)) < 1 or options.images < 16:
        raise ValueError("seeds, processes and networks are at least 1, images at least 16")
