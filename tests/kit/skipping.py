"""Which skips are right: REQUIRE_ALL=1 turns every other one into a failure."""

import os

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
BY_NATURE = "by nature: "


def skip_by_nature(reason):
    """Skips the running test, which this platform, backend or checkout can't run, whatever is installed."""
    pytest.skip(BY_NATURE + reason)


def needs(condition, reason):
    """Returns the mark of a test that only makes sense where `condition` holds, whatever is installed."""
    return pytest.mark.skipif(not condition, reason=BY_NATURE + reason)


def required(report):
    """Returns the report of a test or a file, as failed where it was skipped but not by nature."""
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")  # longrepr is (file, line, reason)
        if not reason.startswith(BY_NATURE):
            report.outcome, report.longrepr = "failed", f"skipped, which REQUIRE_ALL=1 forbids: {reason}"
    return report
