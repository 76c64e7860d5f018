"""The numbers: counts and latencies of requests whose every answer is known."""

from __future__ import annotations

from fixtures.measured import Measured
from fixtures.readings import Readings
from fixtures.silence import Silence
from smi_conformance.plugin import requirement


@requirement("TM-032")
def test_latencies_state_a_unit(measured: Measured) -> None:
    """Latencies state a time unit, the same for the three percentiles, and fit when converted by it."""
    measured.units()
    measured.latencies(measured.ref("pods", "t-x"))


@requirement("TM-033", numbers=True)
def test_percentiles_are_in_order(measured: Measured) -> None:
    """For one object p50 is not above p90, and p90 not above p99."""
    measured.order_of_percentiles()
    measured.rises(measured.ref("pods", "t-x"))


@requirement("TM-034", numbers=True)
def test_percentiles_are_those_of_the_requests(measured: Measured) -> None:
    """Latency percentiles reflect the latency that requests really had."""
    measured.latencies(measured.ref("pods", "t-x"))
    measured.latencies(measured.ref("pods", "b"))
    measured.latencies(measured.ref("pods", "b-x"))
    measured.is_quick(measured.ref("pods", "b-x"))


@requirement("TM-035", schedule="afterwards", numbers=True)
def test_successes_are_counted(measured: Measured, silence: Silence) -> None:
    """success_count is the number of successful requests in the window."""
    measured.counts(measured.ref("pods", "a"), measured.ref("pods", "x"), *measured.every("b"))
    measured.counts(measured.ref("pods", "c"), measured.ref("pods", "t-x"), *measured.every("g"))
    silence.window_is_covered()
    silence.goes_on()


@requirement("TM-036", numbers=True)
def test_failures_are_counted(measured: Measured) -> None:
    """failure_count is the number of failed requests, and no request is both a success and a failure."""
    measured.counts(measured.ref("pods", "b-x"), measured.ref("pods", "t"), measured.ref("pods", "c"))
    measured.edge_counts(measured.ref("pods", "x"))


@requirement("TM-037")
def test_unit_is_seconds(measured: Measured) -> None:
    """The unit of latency metrics is seconds."""
    measured.units(["seconds"])


@requirement("TM-038", schedule="afterwards")
def test_timestamp_is_of_the_moment(silence: Silence) -> None:
    """timestamp is an RFC 3339 time close to the request."""
    silence.timestamps_move()


@requirement("TM-039", schedule="afterwards", numbers=True)
def test_numbers_are_of_the_moment(silence: Silence) -> None:
    """After traffic stops the numbers fall to zero, or the object leaves the list, within a few windows."""
    silence.is_forgotten()
    silence.goes_on()


@requirement("TM-040", numbers=True)
def test_other_answers(measured: Measured, readings: Readings) -> None:
    """Answers other than 200 and 500 may be counted as success or as failure."""
    readings.report(*measured.other_answers())


@requirement("TM-041", schedule="afterwards", numbers=True)
def test_window_is_the_span_of_the_numbers(silence: Silence) -> None:
    """window is the duration to which the numbers refer."""
    silence.window_is_covered()
    silence.goes_on()
