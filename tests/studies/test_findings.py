"""Findings compare only what was varied, and take no difference within the noise of the images for one."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_vit.analysis import Calibration, calibration
from keras_vit.studies.networks import findings, outcomes
from keras_vit.studies.wording import two_errors

ONE = {"ViT": [0.6]}
TWO = {"ViT": [0.6], "MLP": [0.4]}


def test_one_seed_says_nothing_of_a_spread():
    assert findings.accuracy(TWO, 1000) == "ViT has the highest accuracy: ViT 60.0 % and MLP 40.0 %."
    assert findings.accuracy({"ViT": [0.6, 0.62], "MLP": [0.4, 0.41]}, 1000).endswith(
        "Over 2 seeds, ViT varied most, by 2.0 points."
    )
    assert findings.accuracy({"ViT": [0.6, 0.62]}, 1000).endswith("Over 2 seeds it varied by 2.0 points.")
    equal = findings.accuracy({"ViT": [0.6, 0.6], "MLP": [0.4, 0.4]}, 1000)
    assert equal.endswith("Over 2 seeds none varied.")


def test_method_speaks_of_overlap_only_where_trainings_are_several():
    assert "overlap" in findings.caution("Networks", 0.01, 2, seeds=3)
    assert findings.caution("Networks", 0.01, 2).startswith(" Networks within 1.0 points, twice the standard error")
    assert findings.caution("Networks", 0.01, 1, seeds=3) == ""


def test_one_network_is_ranked_in_nothing():
    said = [
        findings.accuracy(ONE, 1000),
        findings.training({"ViT": [(0.5, [0.5]), (1.0, [0.6])]}, 1000),
        findings.data_size({"ViT": [(100, [0.5]), (1000, [0.6])]}, 1000),
        findings.networks({"ViT": 80_000}, {"ViT": 2_000_000}),
        findings.losses({"ViT": [0.1]}, 0.02),
        findings.severest({"ViT": [(0, [0.6]), (1, [0.5])]}, 1000),
        findings.fields({"ViT": [0.1, 0.3]}),
        findings.probes({"ViT": {"a": 0.3, "b": 0.6}}, 1000),
    ]
    for each in said:
        words = set(each.replace(",", "").replace(":", "").split())
        assert not words & {"most", "least", "highest", "smallest", "largest", "share", "networks"}, each
        assert "ViT" in each or "parameters" in each


def test_growth_is_said_of_several_sizes_alone_and_only_beyond_the_noise():
    grown = {"ViT": [(100, [0.50]), (1000, [0.60])], "MLP": [(100, [0.40]), (1000, [0.42])]}
    said = findings.data_size(grown, 10_000)
    assert "the accuracy of ViT rose most (+10.0 points) and that of MLP least (+2.0 points)" in said
    close = {"ViT": [(100, [0.50]), (1000, [0.511])], "MLP": [(100, [0.40]), (1000, [0.405])]}
    said = findings.data_size(close, 10_000)
    assert "rose most" not in said and "can't tell apart by how much" in said


def test_step_on_the_size_of_the_data_is_left_out_where_there_is_one_size():
    runs = [SimpleNamespace(share=1.0), SimpleNamespace(share=1.0)]
    assert outcomes.data_size(SimpleNamespace(candidates=[SimpleNamespace(runs=runs)])) is None


def test_networks_that_gain_about_as_much_are_named_together():
    grown = {"A": [(1, [0.3]), (2, [0.50])], "B": [(1, [0.3]), (2, [0.495])], "C": [(1, [0.3]), (2, [0.31])]}
    assert "the accuracy of A and B rose most (+20.0 and +19.5 points)" in findings.data_size(grown, 10_000)


def test_accuracy_that_fell_with_more_images_did_not_rise():
    fell = {"ViT": [(100, [0.6]), (1000, [0.5])], "MLP": [(100, [0.9]), (1000, [0.5])]}
    said = findings.data_size(fell, 10_000)
    assert "rose" not in said and "−10.0 points" in said


def test_half_way_is_said_only_where_an_epoch_ended_before():
    one = findings.training({"ViT": [(1.0, [0.5])], "MLP": [(1.0, [0.3])]}, 1000)
    assert "alf-way" not in one and "second half" not in one and "At the end" in one
    two = findings.training({"ViT": [(0.5, [0.5]), (1.0, [0.6])], "MLP": [(0.5, [0.2]), (1.0, [0.5])]}, 1000)
    assert two.startswith("Half-way: ViT has the highest") and "MLP gained most in the second half, 30.0 points" in two
    close = findings.training({"ViT": [(0.5, [0.5]), (1.0, [0.6])], "MLP": [(0.5, [0.2]), (1.0, [0.301])]}, 1000)
    assert "gained most" not in close


def test_networks_at_one_severity_within_the_noise_are_named_together():
    found = {"A": [(0, [0.9]), (1, [0.50])], "B": [(0, [0.9]), (1, [0.49])], "C": [(0, [0.9]), (1, [0.1])]}
    said = findings.severest(found, 1000)
    assert said.startswith("A and B were most often right, in 50.0 % and 49.0 % of cases (undamaged 90.0 % and 90.0 %)")
    assert said.endswith("C least often, in 10.0 % (undamaged 90.0 %)")
    same = findings.severest({"A": [(0, [0.9]), (1, [0.5])], "B": [(0, [0.8]), (1, [0.49])]}, 1000)
    ranking = "A 50.0 % (undamaged 90.0 %) and B 49.0 % (undamaged 80.0 %)"
    assert same == f"no network stands out by how often it is right: {ranking}"


def test_losses_within_the_noise_are_not_told_apart():
    apart = findings.losses({"A": [0.05], "B": [0.20]}, 0.02)
    assert apart == "A has the smallest loss in mean over all levels: A 5.0 points and B 20.0 points."
    assert "can't tell apart" in findings.losses({"A": [0.05], "B": [0.06]}, 0.02)


def test_first_block_is_not_compared_with_itself():
    one = findings.distances("ViT", {"block_0": np.array([12.0])}, {"block_0": 16.3})
    assert one == "The head of ViT looks 12.0 px far; looking everywhere alike would be 16.3 px."
    two = findings.distances("ViT", {"a": np.array([12.0, 14.0]), "b": np.array([15.0, 17.0])}, {"a": 16.3, "b": 16.3})
    assert "look 12.0 to 17.0 px far, 13.0 px in mean in the first block and 16.0 px in the last" in two
    assert findings.fields({"ViT": [0.3], "MLP": [0.1]}).count("first") == 0
    mixed = findings.fields({"ViT": [0.3], "Mixer": [0.1, 0.5]})
    assert "10.0 % (Mixer)" in mixed and "30.0 % (ViT)" not in mixed


def test_a_network_of_one_layer_is_not_said_to_rise_from_layer_to_layer():
    assert "first layer" not in findings.probes({"A": {"x": 0.5}, "B": {"x": 0.3}}, 1000)
    said = findings.probes({"A": {"x": 0.5}, "B": {"x": 0.3, "y": 0.6}, "C": {"x": 0.5, "y": 0.55}}, 1000)
    assert "rises most in B (30.0 % to 60.0 %)" in said
    fallen = findings.probes({"A": {"x": 0.6, "y": 0.5}, "B": {"x": 0.6, "y": 0.3}}, 1000)
    assert "rises" not in fallen


def test_agreement_within_its_noise_is_said_to_be_none():
    found = np.array([0.5, -0.5] * 24)
    said = findings.looking({"ViT": 0.4}, {"ViT": found})
    assert "no more than chance" in said and "40.0 %" in said
    assert "attention goes with what hiding" in findings.looking({"ViT": 0.4}, {"ViT": found / 10 + 0.3})
    assert "attention goes against what hiding" in findings.looking({"ViT": 0.4}, {"ViT": found / 10 - 0.3})


@pytest.mark.parametrize("layers", [1, 2])
def test_halves_are_compared_where_there_are_two(layers):
    values = np.full((layers, layers), 0.5)
    assert findings.halves("MLP", values, values).count("half") == (0 if layers == 1 else 1)
    assert "nan" not in findings.halves("MLP", values, values)


def made_up(confidence, right, count=1000):
    """Returns the Calibration of `count` images, all of one confidence."""
    return Calibration(np.array([confidence]), np.array([right]), np.array([count]))


def test_calibration_errors_within_the_noise_of_the_images_are_told_apart_no_more_than_accuracies():
    close = {"A": made_up(0.60, 0.61), "B": made_up(0.61, 0.58), "C": made_up(0.90, 0.60)}
    said = findings.calibration(close, {"A": 0.61, "B": 0.58, "C": 0.60}, 1000)  # 2 sqrt(0.61 * 0.39 / 1000) = 3.1
    assert said.startswith("A and B share the smallest calibration error, and this study can't tell them apart")
    assert said.endswith("C was on average too sure.")
    many = findings.calibration(close, {"A": 0.61, "B": 0.58, "C": 0.60}, 100_000)
    assert many.startswith("A has the smallest") and "B and C were on average too sure; A was on average not" in many
    few = findings.calibration({"A": close["A"], "B": close["B"]}, {"A": 0.61, "B": 0.58}, 1000)
    assert few.startswith("No network stands out") and few.endswith("None was off by more than the noise on average.")


def test_noise_of_an_accuracy_is_that_of_a_calibration_error_by_the_bootstrap():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(10, 0.3), 2000)
    labels = np.array([rng.choice(10, p=each) for each in shares])
    drawn = [rng.integers(0, 2000, 2000) for _ in range(1000)]
    found = [calibration(shares[each], labels[each]) for each in drawn]
    margin = two_errors(float((shares.argmax(axis=1) == labels).mean()), 2000)
    for kind in ("error", "excess"):
        spread = 2 * np.std([getattr(each, kind) for each in found])
        assert margin / 2 < spread < 1.05 * margin, kind  # of 1,000 resamples, which are 2 % uncertain
