"""What was measured of a model, in its plan: its estimate follows it where it applies; where not, that is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.calibration.config import CalibrationSettings, ran_on
from infra.config import ModelSettings, StackConfig
from infra.engines.catalogue import version
from infra.plan.figures import ModelCalibration
from infra.sizing.calibration import calibration
from infra.sizing.types import MeasuredLoad, Shape, Workload


def with_calibration(shape: Shape, settings: ModelSettings) -> Shape:
    """The shape with what was measured on such GPUs with this engine; as it is where nothing was."""
    known = settings.calibration
    return replace(shape, calibration=calibration(shape, _load(known))) if known and _is_of(known, settings) else shape


def model_calibration(settings: ModelSettings, shape: Shape | None) -> ModelCalibration | None:
    """For the plan's reader. `shape` is what was estimated, None where nothing was."""
    known = settings.calibration
    return known and ModelCalibration(
        measured_at=known.measured_at,
        measured_requests=known.measured_requests,
        ran_on=known.ran_on,
        engine=known.engine,
        engine_version=known.engine_version,
        concurrent_requests=known.concurrent_requests,
        input_tokens=known.input_tokens,
        output_tokens=known.output_tokens,
        time_per_output_token_ms=known.time_per_output_token_milliseconds,
        time_to_first_token_ms_low=known.fast_first_token_milliseconds,
        time_to_first_token_ms_high=known.slow_first_token_milliseconds,
        used=shape is not None and shape.calibration is not None,
    )


def calibration_warnings(config: StackConfig) -> Iterator[str]:
    """Measured of something else than what is planned."""
    for name, settings in config.models.items():
        known = settings.calibration
        if known is None:
            continue
        here, now = ran_on(settings.accelerator), version(settings.engine.kind)
        again = "`make calibrate` after a new load test says how it is now"
        if not _is_of(known, settings):
            yield (
                f"model `{name}`: its calibration is not used: it was measured on {known.ran_on} with "
                f"`{known.engine}`, and {here} with `{settings.engine.kind}` is planned; {again}"
            )
        elif known.engine_version is not None and now is not None and known.engine_version != now:
            yield (
                f"model `{name}`: its calibration was measured with `{known.engine}` {known.engine_version}, "
                f"and {now} is planned; {again}"
            )


def _is_of(known: CalibrationSettings, settings: ModelSettings) -> bool:
    return (known.ran_on, known.engine) == (ran_on(settings.accelerator), settings.engine.kind)


def _load(known: CalibrationSettings) -> MeasuredLoad:
    return MeasuredLoad(
        day=known.measured_at[:10],
        requests=known.measured_requests,
        workload=Workload(
            input_tokens=known.input_tokens,
            output_tokens=known.output_tokens,
            concurrency=max(1, round(known.concurrent_requests)),
        ),
        time_per_output_token_ms=known.time_per_output_token_milliseconds,
        spread_percent=known.spread_percent,
        time_to_first_token_ms_low=known.fast_first_token_milliseconds,
        time_to_first_token_ms_high=known.slow_first_token_milliseconds,
    )
