"""Names in pictures as people wrote them: no formula, whatever dollars they hold, and in a font that has them."""

import functools
import warnings
from typing import Any

from keras_vit import backend

# for what DejaVu Sans, Matplotlib's own, lacks: Chinese, Japanese, Korean and more
FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "Source Han Sans",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Yu Gothic",
    "MS Gothic",
    "Malgun Gothic",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Unifont",
)
_FORMULA = r"$\mathdefault{"  # what Matplotlib writes itself, beside axes of powers


def show_as_written(figure: Any) -> None:
    """Makes the texts of a figure show their characters one by one.

    A character that no font at hand has is shown by its number, such as "\\u732b" for 猫, with a warning that names it.
    """
    for axes in figure.axes:
        axes.get_xticklabels(), axes.get_yticklabels()  # which makes them
    texts = figure.findobj(backend.load("matplotlib.text").Text)
    for text in texts:
        if not text.get_text().startswith(_FORMULA):
            text.set_parse_math(False)
    strange = {each for text in texts for each in text.get_text() if each.isprintable()} - _characters("DejaVu Sans")
    if not strange:
        return
    fonts = [name for name in FONTS if name in _installed() and strange & _characters(name)]
    for text in texts:
        text.set_fontfamily(["DejaVu Sans", *fonts])
    if missing := strange.difference(*map(_characters, fonts)):
        _show_numbers(figure, texts, missing)


def _show_numbers(figure, texts, missing):
    warnings.warn(
        f"no font here has {', '.join(map(repr, sorted(missing)[:5]))}, so the picture shows numbers in their place; "
        "install one that has, such as Noto Sans CJK",
        stacklevel=4,
    )
    numbers = str.maketrans({each: each.encode("ascii", "backslashreplace").decode() for each in missing})
    for text in texts:
        text.set_text(text.get_text().translate(numbers))
    for axes in figure.axes:  # whose labels are written anew when they are drawn
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(each in "".join(labels) for each in missing):
                axis.set_ticks(axis.get_ticklocs(), [label.translate(numbers) for label in labels])


@functools.cache
def _installed():
    """Returns {name: file} of the fonts that Matplotlib finds."""
    return {each.name: each.fname for each in backend.load("matplotlib.font_manager").fontManager.ttflist}


@functools.cache
def _characters(name):
    """Returns the characters that the font called `name` has."""
    font = backend.load("matplotlib.font_manager").get_font(_installed()[name])
    return frozenset(map(chr, font.get_charmap()))
