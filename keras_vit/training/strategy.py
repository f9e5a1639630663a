"""Where a model is trained: the devices and the precision of its arithmetic."""

import contextlib

import keras

from keras_vit.backend import load

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def all_devices():
    """Returns the strategy that trains on every visible GPU, or on every logical CPU where there is none."""
    tf = load("tensorflow")
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def names(strategy):
    """Returns the names of the devices that `strategy` trains on, such as ["GPU:0", "GPU:1"]."""
    tf = load("tensorflow")
    if strategy.num_replicas_in_sync > 1:
        found = strategy.extended.worker_devices
    else:
        found = [(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].name]
    return [name.rpartition("device:")[2] for name in found]


def check_batch(strategy, batch, images):
    """Raises ValueError where `batch` can't be shared out evenly or exceeds the number of `images`."""
    if not 1 <= batch <= images:
        raise ValueError(f"batch {batch} does not fit the {images} training images; give 1 to {images}")
    if batch % (replicas := strategy.num_replicas_in_sync):
        near = max(replicas, batch - batch % replicas)
        raise ValueError(f"batch {batch} does not divide over {replicas} devices; {near} would")


def evaluation_batch(strategy, batch, images):
    """Returns the batch, at most `batch`, in which to measure `images`: the largest that leaves no device idle.

    The first batch must be full, or Keras can't build its metrics. A device without images in the last batch
    counts for nothing, as it should, except that TensorFlow's convolution on CPUs (oneDNN) then returns a wrong
    shape; so such batches are avoided where the number of images allows it.
    """
    replicas = strategy.num_replicas_in_sync
    most = min(batch, images) // replicas * replicas
    if most == 0:
        raise ValueError(f"{images} images can't be shared out over {replicas} devices; train on fewer")
    sizes = range(most, 0, -replicas)
    return next((n for n in sizes if images % n == 0 or images % n > n - n // replicas), most)


@contextlib.contextmanager
def precision(name):
    """Builds the models made inside in `name`: "float32", or "bfloat16" with float32 weights."""
    if name not in PRECISIONS:
        raise ValueError(f"no precision {name!r}; it is one of {', '.join(PRECISIONS)}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISIONS[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
