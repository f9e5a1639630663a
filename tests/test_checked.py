"""Options hold what they are declared to hold, however they were made."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pytest

from keras_vit import checked

T = TypeVar("T")


@checked.options
class Inner:
    depth: int = 3


@checked.options
class Some(Generic[T]):
    kind: ClassVar[str] = "some"
    flag: bool = False
    count: int = 2
    rate: float = 0.5
    most: float | None = None
    name: str = "a"
    size: int | tuple[int, int] | None = None
    names: tuple[str, ...] = ()
    loss: Literal["softmax", "sigmoid"] = "softmax"
    jit: bool | Literal["auto"] = "auto"
    more: Annotated[dict[str, object], "how"] = dataclasses.field(default_factory=dict)
    inner: Inner = dataclasses.field(default_factory=Inner)
    free: T = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"count": np.int64(5)}, 5),
        ({"rate": np.float32(0.5)}, 0.5),
        ({"rate": 3}, 3),
        ({"flag": np.True_}, True),
        ({"name": Path("a/b")}, "a/b"),
        ({"size": [5, 7]}, (5, 7)),
        ({"size": np.int32(5)}, 5),
        ({"names": ["a", "b"]}, ("a", "b")),
        ({"jit": False}, False),
        ({"more": {"depth": np.int64(3), "patch": (np.int64(2), 3)}}, {"depth": 3, "patch": (2, 3)}),
        ({"free": object}, object),
    ],
)
def test_what_means_the_same_is_kept_as_python_has_it(given, kept):
    (name,) = given
    found = getattr(Some(**given), name)
    assert found == kept and type(found) is type(kept)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"flag": "false"}, "flag is True or False, not 'false'"),
        ({"flag": 1}, "flag is True or False, not 1"),
        ({"flag": None}, "flag is True or False, not None"),
        ({"count": True}, "count is a whole number, not True"),
        ({"count": 2.0}, "count is a whole number, not 2.0"),
        ({"count": "2"}, "count is a whole number, not '2'"),
        ({"rate": math.nan}, "rate is a finite number, not nan"),
        ({"rate": -math.inf}, "rate is a finite number, not -inf"),
        ({"rate": np.float32("nan")}, "rate is a finite number, not "),
        ({"rate": False}, "rate is a finite number, not False"),
        ({"rate": 1j}, "rate is a finite number, not 1j"),
        ({"most": math.nan}, "most is a finite number or None, not nan"),
        ({"name": b"a"}, "name is a text, not b'a'"),
        (
            {"size": (5, 7, 3)},
            r"size is .* or a tuple \(a whole number, a whole number\) or None, not \(5, 7, 3\)",
        ),
        ({"size": "5"}, "size is .*, not '5'"),
        ({"names": "ab"}, "names is a tuple of some, each a text, not 'ab'"),
        ({"names": (1,)}, r"names is .*, not \(1,\)"),
        ({"loss": "sigmoyd"}, r"no loss 'sigmoyd' \(did you mean 'sigmoid'\?\); it is one of softmax, sigmoid"),
        ({"loss": ["softmax"]}, "no loss .*; it is one of softmax, sigmoid"),
        ({"jit": "Auto"}, "jit is True or False or 'auto', not 'Auto'"),
        ({"more": {"rate": math.nan}}, "more is a dict of names and plain, finite values, not {'rate': nan}"),
        ({"more": {"rate": (1.0, math.inf)}}, "more is .*inf"),
        ({"more": {3: 4}}, "more is a dict of names"),
        ({"more": {"a": object()}}, "more is a dict of names and plain"),
        ({"more": [("a", 1)]}, "more is a dict of names"),
        ({"inner": 3}, r"inner is Inner\(...\), not 3"),
        ({"inner": Inner}, r"inner is Inner\(...\), not <class"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_option(given, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        Some(**given)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        dataclasses.replace(Some(), **given)


def test_types_are_checked_before_the_class_checks_its_values():
    @checked.options
    class Own:
        rate: float = 0.5

        def __post_init__(self):
            if self.rate < 0:
                raise ValueError("rate is at least 0")

    with pytest.raises(ValueError, match="rate is a finite number, not '0.5'"):
        Own(rate="0.5")
    with pytest.raises(ValueError, match="rate is at least 0"):
        Own(rate=-1.0)


def test_a_mark_for_what_is_missing_stays():
    missing: Any = object()

    @checked.options
    class Own:
        name: str = missing

    assert Own().name is missing


def test_types_that_only_a_type_checker_knows_are_left_alone():
    @dataclasses.dataclass
    class Foreign:
        image: "Image" = None  # noqa: F821  # type: ignore[name-defined]

    foreign = Foreign(image=3)
    checked.check(foreign)
    assert foreign.image == 3
