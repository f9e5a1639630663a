"""Files of images to pixels inside a graph: what TensorFlow decodes right is decoded, anything else is refused.

A refusal is a tf.errors.InvalidArgumentError whose text `reason_of` finds.
"""

import re
import zlib

import numpy as np
import tensorflow as tf

from keras_vit.data import orientation

PIXELS = 100_000_000  # of the largest image that is decoded: 0.3 GB in colour
CONVERT = "convert it to PNG, as ImageMagick does by `magick FILE FILE.png`"
_OTHERS = {  # what else people have, by how it begins; bytes beyond ASCII can only be skipped
    "TIFF": r"(?:II[*+]\x00|MM\x00[*+])\C*",
    "HEIC or AVIF": r"\C{4}ftyp\C*",
    "JPEG XL": r"(?:\C\x0a|\x00{3}\x0cJXL )\C*",
    "JPEG 2000": r"(?:\x00{3}\x0cjP  |\CO\CQ)\C*",
    "Photoshop": r"8BPS\C*",
    "PDF": r"%PDF\C*",
    "SVG, XML or HTML": r"\s*<\C*",
}
_END = 1 << 16  # bytes at either end of a PNG, in which EXIF is looked for
_HEADER = 68  # bytes in which all but JPEG say what they hold
_DARKEST = 16  # of 255, below which no brightest pixel of a real image of 16 bits lies
_PALETTE = 3  # the colour type of a PNG that has one
# CRCs of equal length differ by what their texts differ by, whatever else stands in them
_NO_PALETTE = np.frombuffer(
    (zlib.crc32(b"IHDR" + bytes(13)) ^ zlib.crc32(b"IHDR" + bytes(9) + b"\3" + bytes(3))).to_bytes(4, "big"), "uint8"
)
_TOO_LARGE = f"has more than {PIXELS:,} pixels; make it smaller"
_DARK = "is a PNG of 16 bits with fewer in use, such as 12, and would be black; scale it to 8 bits and save it as PNG"
_MASK = "is a mask of 16 bits, and classes are read from 8; save it as a PNG of 8 bits"
_BMP = f"is no uncompressed BMP of 8, 24 or 32 bits a pixel, and others are not read; {CONVERT}"


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes a scalar of JPEG, PNG, GIF, BMP or WebP bytes to uint8 (h, w, channels), 1 or 3, the right way up."""
    encoded = tf.convert_to_tensor(encoded, "string")
    image = tf.cond(
        _is_png(encoded),
        lambda: _png(encoded, channels),
        lambda: tf.cond(_is_jpeg(encoded), lambda: _jpeg(encoded, channels), lambda: _other(encoded, channels)),
    )
    return tf.ensure_shape(image, (None, None, channels))


def decode_mask(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a grey image, or a PNG with a palette, to uint8 (h, w, 1): grey values, or places in the palette."""
    encoded = tf.convert_to_tensor(encoded, "string")
    palette = _is_png(encoded) & (_header(encoded)[25] == _PALETTE)
    mask = tf.cond(palette, lambda: _places(encoded), lambda: _grey_mask(encoded))
    return tf.ensure_shape(mask, (None, None, 1))


def reason_of(error: tf.errors.OpError) -> str:
    """Returns why bytes were refused or not decoded, as a sentence goes on after the name of a file."""
    found = re.search(r"assertion failed: \[(.+?)\]", error.message)
    return found[1] if found else "is damaged, or no image in JPEG, PNG, GIF, BMP or WebP"


@tf.function(autograph=False, experimental_attributes={"_noinline": True})
def _other(encoded, channels):
    """Decodes what is neither JPEG nor PNG; a function of its own, so that it costs those nothing."""
    grey = tf.image.rgb_to_grayscale if channels == 1 else tf.identity
    kinds = {
        b"GI": lambda: grey(_gif(encoded)),
        b"BM": lambda: grey(_bmp(encoded)),
        b"RI": lambda: grey(_webp(encoded)),
        b"": lambda: _refused(encoded, channels),
    }
    ours = tf.concat([tf.strings.substr(encoded, 0, 2) == tf.constant(list(kinds)[:-1]), [True]], axis=0)
    return tf.switch_case(tf.cast(tf.argmax(ours), "int32"), list(kinds.values()))


def _jpeg(encoded, channels):
    height, width, inks = tf.unstack(tf.io.extract_jpeg_shape(encoded), num=3)
    with _required(_area(height, width) <= PIXELS, _TOO_LARGE):
        if channels == 3:
            image = _decoded(encoded, 3)
        else:  # TensorFlow makes no grey of CMYK
            image = tf.cond(
                inks == 4,
                lambda: tf.image.rgb_to_grayscale(_decoded(encoded, 3)),
                lambda: _decoded(encoded, 1),
            )
    return orientation.upright(image, encoded, orientation.JPEG)


def _png(encoded, channels):
    header = _header(encoded)
    with _required(_area(_big(header[16:20]), _big(header[20:24])) <= PIXELS, _TOO_LARGE):
        image = _decoded(encoded, channels)
    image = tf.cond(header[24] == 16, lambda: _of_16_bits(image), lambda: image)
    return orientation.upright(image, _ends(encoded), orientation.PNG)


def _ends(encoded):
    """Returns a file without its middle, where PNG has pixels alone: searching all of it would take much longer."""
    rest = tf.maximum(_END, tf.strings.length(encoded) - _END)
    rest = tf.minimum(rest, tf.strings.length(encoded))
    return tf.strings.join([tf.strings.substr(encoded, 0, _END), tf.strings.substr(encoded, rest, -1)])


def _of_16_bits(image):
    with _required(tf.reduce_max(image) >= _DARKEST, _DARK):
        return tf.identity(image)


def _gif(encoded):
    header = _header(encoded)
    with _required(_area(_little(header[6:8]), _little(header[8:10])) <= PIXELS, _TOO_LARGE):
        return _decoded(encoded, 3)


def _bmp(encoded):
    header = _header(encoded)
    start, own, height = _little(header[10:14]), _little(header[14:18]), _little(header[22:26])
    bits, packing = _little(header[28:30]), _little(header[30:34])
    whole = (packing == 0) & ((bits == 8) | (bits == 24) | (bits == 32))
    masks = tf.constant([0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0], header.dtype)  # of red, green and blue
    whole |= (packing == 3) & (bits == 32) & tf.reduce_all(header[54:66] == masks)
    height = tf.minimum(height, 2.0**32 - height)  # of an image from top to bottom it is negative
    with _required(whole & (own >= 40), _BMP), _required(_area(height, _little(header[18:22])) <= PIXELS, _TOO_LARGE):
        return tf.cond(bits == 8, lambda: _painted(encoded, start, own), lambda: _decoded(encoded, 3))


def _painted(encoded, start, own):
    """Returns a BMP of 8 bits in the colours of its palette, which TensorFlow leaves out."""
    palette = tf.cast(14 + own, "int32")
    room = tf.clip_by_value(tf.cast(start, "int32") - palette, 0, 4 * 256) // 4 * 4
    colours = tf.io.decode_raw(_part(encoded, palette, room), "uint8")
    return tf.gather(tf.reshape(colours, (-1, 4))[:, 2::-1], tf.cast(_decoded(encoded, 3)[..., 0], "int32"))


def _webp(encoded):
    header = _header(encoded)
    width, height = 1 + _little(header[24:27]), 1 + _little(header[27:30])
    extended = _part(encoded, 12, 4) == b"VP8X"
    animated = extended & (tf.bitwise.bitwise_and(tf.cast(header[20], "int32"), 2) > 0)
    with _required(~extended | (_area(height, width) <= PIXELS), _TOO_LARGE):
        image = tf.cond(animated, lambda: _first_frame(encoded, header[20]), lambda: _decoded(encoded, 0)[..., :3])
    return orientation.upright(image, encoded, orientation.WEBP)


def _first_frame(encoded, flags):
    """Returns the first image of an animated WebP, of which TensorFlow decodes those alone that announce an alpha."""
    flags = tf.bitwise.bitwise_or(tf.cast(flags, "int32"), 16)
    parts = [_part(encoded, 0, 20), _written(flags), _part(encoded, 21, -1)]
    return _decoded(tf.strings.join(parts), 4)[..., :3]


def _refused(encoded, channels):
    head = tf.strings.substr(encoded, 0, _HEADER)
    said = tf.where(head == b"", "is empty", "is no image in JPEG, PNG, GIF, BMP or WebP")
    for name, start in _OTHERS.items():
        said = tf.where(tf.strings.regex_full_match(head, start), f"is {name}, which is not read; {CONVERT}", said)
    with _required(tf.constant(False), said):
        return tf.zeros((0, 0, channels), "uint8")


def _grey_mask(encoded):
    with _required(~_is_png(encoded) | (_header(encoded)[24] <= 8), _MASK):
        return decode(encoded, 1)


def _places(encoded):
    """Returns the places in the palette of a PNG, which TensorFlow gives of a PNG that says it is grey."""
    check = tf.bitwise.bitwise_xor(tf.io.decode_raw(_part(encoded, 29, 4), "uint8", fixed_length=4), _NO_PALETTE)
    check = tf.strings.reduce_join(_written(tf.cast(check, "int32")))
    parts = [_part(encoded, at, count) for at, count in ((0, 25), (26, 3), (33, -1))]
    image = _png(tf.strings.join([parts[0], b"\0", parts[1], check, parts[2]]), 1)
    steps = tf.cast(2.0 ** _header(encoded)[24] - 1, "uint8")  # fewer bits than 8 come spread over 0 to 255
    return image // (255 // steps)


def _decoded(encoded, channels):
    return tf.io.decode_image(encoded, channels=channels, expand_animations=False)


def _required(condition, said):
    """Returns a context in which ops run only where `condition` holds; else they fail with what is `said`."""
    return tf.control_dependencies([tf.raw_ops.Assert(condition=condition, data=[said])])


def _is_jpeg(encoded):
    return tf.strings.substr(encoded, 0, 2) == b"\xff\xd8"


def _is_png(encoded):
    return tf.strings.substr(encoded, 0, 2) == b"\x89P"


def _part(encoded, start, count):
    """Returns `count` bytes from `start` on, fewer where the file is over, which TensorFlow takes for an error."""
    return tf.strings.substr(encoded, tf.minimum(start, tf.strings.length(encoded)), count)


def _header(encoded):
    """Returns the first bytes as float32, in which sizes don't overflow; zeros where the file is over."""
    return tf.cast(tf.io.decode_raw(encoded, "uint8", fixed_length=_HEADER), "float32")


def _little(digits):
    return tf.reduce_sum(digits * 256.0 ** tf.range(digits.shape[0], dtype="float32"))


def _big(digits):
    return _little(digits[::-1])


def _area(height, width):
    return tf.cast(height, "float32") * tf.cast(width, "float32")


def _written(numbers):
    """Returns numbers of 0 to 255 as strings of one byte."""
    return tf.gather(tf.constant([bytes([i]) for i in range(256)]), numbers)
