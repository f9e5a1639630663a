"""The way up of a photograph, which cameras write beside its pixels (EXIF 2.32, tag 0x0112), read inside a graph."""

import tensorflow as tf

# What announces the TIFF structure that EXIF is, in JPEG, PNG and WebP; a literal start lets the search skip fast.
JPEG = r"(Exif\x00\x00)(?:II\*\x00|MM\x00\*)\C*"
PNG = r"(eXIf)(?:II\*\x00|MM\x00\*)\C*"
WEBP = r"(EXIF\C{4}(?:Exif\x00\x00)?)(?:II\*\x00|MM\x00\*)\C*"
_TAG, _SHORT, _ENTRY = 0x0112, 3, 12  # a number of two bytes, in an entry of twelve


def upright(image: tf.Tensor, encoded: tf.Tensor, announced: str) -> tf.Tensor:
    """Turns and mirrors an `image` (h, w, C) as the EXIF orientation in its file's bytes says; a pure graph.

    `announced` is `JPEG`, `PNG` or `WEBP`. EXIF that is missing or damaged says nothing.
    """
    until = tf.strings.length(tf.strings.regex_replace(encoded, announced, r"\1", replace_global=False))
    found = until < tf.strings.length(encoded)
    return tf.cond(found, lambda: _turned(image, encoded, until), lambda: image)


@tf.function(
    input_signature=[
        tf.TensorSpec((None, None, None), "uint8"),
        tf.TensorSpec((), "string"),
        tf.TensorSpec((), "int32"),
    ],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _turned(image, encoded, start):
    """Turns the image as the TIFF structure from byte `start` says; a function apart, so that others don't pay."""
    orientation = _orientation(encoded, start)
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    rows, columns = (tf.reduce_any(orientation == which) for which in ([3, 4, 7, 8], [2, 3, 6, 7]))
    return tf.raw_ops.Reverse(tensor=image, dims=tf.stack([rows, columns, False]))


def _orientation(encoded, start):
    """Returns 1 to 8, of the TIFF structure that begins at the byte `start`."""
    head = _bytes(encoded, start, 8)
    little = head[0] == ord("I")
    directory = start + _number(head[4:], little)
    entries = _bytes(encoded, directory + 2, _ENTRY * _number(_bytes(encoded, directory, 2), little))
    entries = tf.reshape(entries, (-1, _ENTRY))
    tag, kind, value = (_number(entries[:, at : at + 2], little) for at in (0, 2, 8))
    known = (tag == _TAG) & (kind == _SHORT) & (value >= 1) & (value <= 8)
    return tf.reduce_max(tf.where(known, value, 1))


def _bytes(encoded, start, count):
    """Returns `count` bytes from `start` on as int32 (count,), zeros where the file is over."""
    within = tf.clip_by_value(start, 0, tf.strings.length(encoded))
    part = tf.strings.substr(encoded, within, count)
    return tf.cast(tf.io.decode_raw(part, "uint8", fixed_length=count), "int32")


def _number(digits, little):
    """Returns the numbers that bytes (..., n) write, the last byte the largest where `little`."""
    digits = tf.where(little, tf.reverse(digits, [-1]), digits)
    total = digits[..., 0]
    for i in range(1, digits.shape[-1]):
        total = 256 * total + digits[..., i]
    return total
