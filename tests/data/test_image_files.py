"""Image files as people have them, decoded in a graph as Pillow does or refused with a sentence."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_vit.data import Preprocessing, Target
from keras_vit.data.image_files import reason_of

ORIENTED = [(kind, number) for kind in ("JPEG", "PNG", "WEBP") for number in range(1, 9)]


def picture(height=19, width=23, mode="RGB"):
    """A smooth random image."""
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype="uint8")
    return Image.fromarray(small, "RGBA").convert(mode).resize((width, height), Image.BICUBIC)


def encode(image, kind, **options):
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def tiff(orientation, order="<", kind=3):
    """The TIFF structure of EXIF with two other entries about the orientation."""
    entries = [(0x010E, 2, 1, 0), (0x0112, kind, 1, orientation), (0x0128, 3, 1, 2)]
    rows = b"".join(struct.pack(f"{order}HHIHxx", *each) for each in entries)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(entries)) + rows + bytes(4)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


@pytest.fixture(scope="module", params=[1, 3])
def decode(request):
    """What decodes bytes to an int64 array (h, w, channels), in a graph that holds no Python."""
    function = tf.function(Preprocessing(channels=request.param).decode)
    graph = function.get_concrete_function(tf.TensorSpec((), "string"))
    names = [each.type for each in graph.graph.get_operations()]
    assert not any("PyFunc" in name for name in names)

    def run(encoded):
        return graph(tf.constant(encoded)).numpy().astype(int)

    run.channels = request.param
    return run


def pillow(encoded, channels):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB" if channels == 3 else "L")
    return np.asarray(image).astype(int).reshape(*image.size[::-1], channels)


@pytest.mark.parametrize(("kind", "number"), ORIENTED)
@pytest.mark.parametrize("order", "<>")
def test_photograph_is_turned_by_its_orientation_as_pillow_turns_it(decode, kind, number, order):
    start = b"Exif\0\0" if kind == "JPEG" else b""
    encoded = encode(picture(), kind, exif=start + tiff(number, order))
    got, want = decode(encoded), pillow(encoded, decode.channels)
    assert got.shape == want.shape == ((23, 19) if number >= 5 else (19, 23)) + (decode.channels,)
    assert np.abs(got - want).mean() < 3
    np.testing.assert_array_equal(got, eight(decode(encode(picture(), kind)))[number - 1])


def eight(image):
    """The orientations 1 to 8 of an image, as EXIF numbers them."""
    t = image.swapaxes(0, 1)
    return [image, image[:, ::-1], image[::-1, ::-1], image[::-1], t, t[:, ::-1], t[::-1, ::-1], t[::-1]]


@pytest.mark.parametrize("order", "<>")
def test_orientation_is_found_wherever_the_file_holds_it(decode, order):
    jpeg = encode(picture(), "JPEG")
    exif = segment(0xE1, b"Exif\0\0" + tiff(6, order))
    before = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + segment(0xE2, b"ICC_PROFILE\0" + bytes(65_001)) * 2
    late = jpeg[:2] + before + exif + jpeg[2:]
    np.testing.assert_array_equal(decode(late), eight(decode(jpeg))[5])
    noise = np.random.default_rng(0).integers(0, 256, (299, 301, 3), dtype="uint8")
    png, end = encode(Image.fromarray(noise), "PNG"), chunk(b"IEND", b"")  # 0.3 MB
    late = png.removesuffix(end) + chunk(b"tEXt", b"a\0" + bytes(range(1, 256)) * 9) + chunk(b"eXIf", tiff(8)) + end
    np.testing.assert_array_equal(decode(late), eight(decode(png))[7])


@pytest.mark.parametrize("cut", [*range(8, 50, 5), "type", "value"])
def test_damaged_orientation_turns_nothing(decode, cut):
    exif = tiff(6, kind=5) if cut == "type" else tiff(9) if cut == "value" else tiff(6)[:cut]
    plain = encode(picture(), "PNG")
    damaged = plain[:33] + chunk(b"eXIf", exif) + plain[33:]
    whole = isinstance(cut, int) and cut >= 32  # the entry is there, those that follow are not
    np.testing.assert_array_equal(decode(damaged), eight(decode(plain))[5 if whole else 0])


READ = {
    "BMP of 8 bits with a palette": encode(picture().quantize(200), "BMP"),
    "BMP of 8 bits with a short palette": encode(picture().quantize(13), "BMP"),
    "grey BMP": encode(picture(mode="L"), "BMP"),
    "BMP of 32 bits": encode(picture(mode="RGBA"), "BMP"),
    "WebP with alpha": encode(picture(mode="RGBA"), "WEBP"),
    "lossless WebP with alpha": encode(picture(mode="RGBA"), "WEBP", lossless=True),
    "animated WebP": encode(picture(), "WEBP", save_all=True, append_images=[picture().rotate(90)]),
    "animated WebP with alpha": encode(
        picture(mode="RGBA"), "WEBP", lossless=True, save_all=True, append_images=[picture(mode="RGBA").rotate(90)]
    ),
    "PNG with a palette": encode(picture().quantize(200), "PNG"),
    "PNG of 4 bits": encode(picture().quantize(13), "PNG", bits=4),
    "PNG of 1 bit": encode(picture(mode="1"), "PNG"),
    "PNG with a transparent colour": encode(picture().quantize(200), "PNG", transparency=3),
    "PNG with alpha": encode(picture(mode="RGBA"), "PNG"),
    "grey PNG with alpha": encode(picture(mode="LA"), "PNG"),
    "animated GIF": encode(picture(), "GIF", save_all=True, append_images=[picture().rotate(90)]),
}


@pytest.mark.parametrize("name", READ)
def test_file_has_the_pixels_that_pillow_reads(decode, name):
    got, want = decode(READ[name]), pillow(READ[name], decode.channels)
    np.testing.assert_allclose(got, want, atol=2 if decode.channels == 1 else 0)


def test_bmp_from_top_to_bottom_has_its_colours(decode):
    encoded = bytearray(READ["BMP of 8 bits with a palette"])
    encoded[22:26] = struct.pack("<i", -19)
    np.testing.assert_allclose(decode(bytes(encoded)), pillow(bytes(encoded), decode.channels), atol=2)


@pytest.mark.parametrize("transform", [0, 2])  # CMYK, and YCCK
def test_jpeg_of_four_inks_is_read_in_colour_and_grey(decode, transform):
    encoded = bytearray(encode(picture(mode="CMYK"), "JPEG", quality=95))
    encoded[encoded.index(b"Adobe") + 11] = transform
    got, want = decode(bytes(encoded)), pillow(bytes(encoded), decode.channels)
    assert got.shape == want.shape and np.abs(got - want).mean() < 4


def test_png_of_16_bits_keeps_its_upper_8(decode):
    deep = np.asarray(picture(mode="L")).astype("uint16") * 257
    got = decode(encode(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(got, np.repeat(deep[..., None] >> 8, decode.channels, -1))


def bmp(bits, packing=0, masks=b"", own=40):
    """A BMP header with enough bytes after it."""
    header = struct.pack("<IiiHHIIiiII", own, 24, 20, 1, bits, packing, 0, 0, 0, 0, 0) + masks
    body = bytes(24 * bits // 8 * 20)
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body


def patched(encoded, at, size):
    return encoded[:at] + size + encoded[at + len(size) :]


def huge_jpeg():
    encoded = encode(picture(), "JPEG")
    return patched(encoded, encoded.index(b"\xff\xc0") + 5, struct.pack(">HH", 60_000, 60_000))


def huge_png():
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(bytes(36_001))) + chunk(b"IEND", b"")


REFUSED = {
    "BMP of 1 bit": (encode(picture(mode="1"), "BMP"), "no uncompressed BMP of 8, 24 or 32 bits.*magick"),
    "BMP of 4 bits": (bmp(4), "no uncompressed BMP"),
    "BMP of 16 bits": (bmp(16), "no uncompressed BMP"),
    "BMP with RLE": (bmp(8, packing=1), "no uncompressed BMP"),
    "BMP with other masks": (bmp(32, 3, struct.pack("<III", 255, 255 << 8, 255 << 16)), "no uncompressed BMP"),
    "BMP of OS/2": (bmp(24, own=12), "no uncompressed BMP"),
    "12 bits in 16": (encode(Image.fromarray(np.full((7, 5), 4095, "uint16")), "PNG"), "16 bits with fewer in use"),
    "TIFF": (encode(picture(), "TIFF"), "is TIFF, which is not read; convert it to PNG.*magick FILE FILE.png"),
    "AVIF": (encode(picture(), "AVIF"), "is HEIC or AVIF, .*convert"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(99), "is HEIC or AVIF, .*convert"),
    "JPEG 2000": (encode(picture(), "JPEG2000"), "is JPEG 2000, .*convert"),
    "JPEG XL": (b"\xff\x0a" + bytes(99), "is JPEG XL, .*convert"),
    "PDF": (b"%PDF-1.7", "is PDF, .*convert"),
    "page": (b"\n<!DOCTYPE html>", "is SVG, XML or HTML, .*convert"),
    "text": (b"no image at all", "is no image in JPEG, PNG, GIF, BMP or WebP"),
    "nothing": (b"", "is empty"),
    "half a PNG": (encode(picture(), "PNG")[:-60], "is damaged, or no image"),
    "huge JPEG": (huge_jpeg(), "more than 100,000,000 pixels"),
    "huge PNG": (huge_png(), "more than 100,000,000 pixels"),
    "huge GIF": (patched(encode(picture(), "GIF"), 6, b"\xff" * 4), "more than 100,000,000 pixels"),
    "huge BMP": (patched(bmp(24), 18, struct.pack("<ii", 20_000, -20_000)), "more than 100,000,000 pixels"),
    "huge WebP": (patched(READ["WebP with alpha"], 24, b"\xff\xff\0" * 2), "more than 100,000,000 pixels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_that_cannot_be_read_right_is_refused_with_a_reason(decode, name):
    encoded, said = REFUSED[name]
    for run in (decode, Preprocessing(channels=decode.channels).decode):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            run(encoded)
        assert re.search(said, reason_of(caught.value)), reason_of(caught.value)


@pytest.fixture(scope="module")
def decode_mask():
    return tf.function(Target("mask").decode, input_signature=[tf.TensorSpec((), "string")])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_mask_with_a_palette_holds_places_in_it(decode_mask, bits):
    places = np.random.default_rng(bits).integers(0, 2**bits, (7, 5), dtype="uint8")
    mask = Image.fromarray(places, "P")
    mask.putpalette(np.random.default_rng(0).integers(0, 256, 3 * 2**bits, dtype="uint8").tobytes())
    encoded = encode(mask, "PNG", bits=bits)
    np.testing.assert_array_equal(decode_mask(encoded).numpy()[..., 0], places)
    turned = encoded[:33] + chunk(b"eXIf", tiff(3)) + encoded[33:]
    np.testing.assert_array_equal(decode_mask(turned).numpy()[..., 0], places[::-1, ::-1])


def test_grey_mask_holds_its_values(decode_mask):
    places = np.random.default_rng(0).integers(0, 256, (7, 5, 1), dtype="uint8")
    np.testing.assert_array_equal(decode_mask(encode(Image.fromarray(places[..., 0]), "PNG")).numpy(), places)


def test_mask_of_16_bits_is_refused(decode_mask):
    encoded = encode(Image.fromarray(np.full((7, 5), 40_000, "uint16")), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError, match="is a mask of 16 bits"):
        decode_mask(encoded)
