"""Every family of the zoo keeps the contract; tests/test_facts.py has the published numbers of weights."""

import pytest
from kit.contract import checks

import keras_vit
from keras_vit.models import count_parameters
from keras_vit.testing import families as testing

BY_HAND = {
    "lenet-5": 156 + 2_416 + 48_120 + 10_164 + 850,  # C1, C3, C5, F6, output
    "mlp": (28 * 28 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10,
}

# a model of each family is counted in test_facts.py; all families load in one new process in test_bundle.py, and are
# exported in another in test_readme.py, where a process for each would take minutes
ELSEWHERE = (testing.check_variants, testing.check_fresh_process)


@pytest.mark.parametrize("check", checks(*ELSEWHERE))
@pytest.mark.parametrize("family", keras_vit.list_families())
def test_family_keeps_the_contract(family, check):
    check(family)


@pytest.mark.slow
def test_a_family_with_layers_of_its_own_keeps_the_contract_of_fresh_processes():
    testing.check_fresh_process("convnext")


@pytest.mark.parametrize("name", BY_HAND)
def test_trainable_weights_are_those_of_the_formula(name):
    assert count_parameters(name) == BY_HAND[name]
