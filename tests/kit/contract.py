"""The checks of a family's contract as parameters of a test."""

import pytest

from keras_vit.testing import families

SLOW = (families.check_export, families.check_fresh_process)


def checks(*but):
    """All checks without those in `but`, those that take seconds marked as slow."""
    marks = {check: [pytest.mark.slow] for check in SLOW}
    found = (check for check in families.CHECKS if check not in but)
    return [pytest.param(check, id=check.__name__, marks=marks.get(check, [])) for check in found]
