"""Options that only have an effect together with another one.

An option declares what it ``needs`` (:func:`auxseg.config.option.option`). To set it while that is
off would do nothing, without a word: it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auxseg.config.keys import default_of, dotted, leaves
from auxseg.config.schema import NO_WEIGHTS, Config
from auxseg.errors import UsageError

#: Values by which an option is off.
OFF = (None, False, NO_WEIGHTS)


def check_effects(config: Config) -> None:
    """Raises :class:`UsageError` for an option that has no effect in this configuration."""
    values = dotted(config)
    for key, needed in idle(values).items():
        option, _, wanted = needed.partition("=")
        raise UsageError(
            f"{key}: {values[key]} has no effect in {config.preset}, where {option} is "
            f"{_shown(values[option])}; leave it out or set {f'{option} {wanted}'.strip()}"
        )


def active(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that have no effect.

    Args:
        values: every option's value, by dotted key.
    """
    kept = dict(values)
    while found := idle(kept):
        kept = {key: value for key, value in kept.items() if key not in found}
    return kept


def idle(values: Mapping[str, Any]) -> dict[str, str]:
    """Options that are set without any effect → the option that each of them needs.

    Args:
        values: every option's value, by dotted key.
    """
    needs = {key: item.metadata["needs"] for key, item in leaves()}
    defaults = {key: default_of(item) for key, item in leaves()}
    return {
        key: needed
        for key, needed in needs.items()
        if needed
        and _is_off(needed, defaults | dict(values))
        and values.get(key, defaults[key]) not in (defaults[key], NO_WEIGHTS)
    }


def _is_off(needed: str, values: Mapping[str, Any]) -> bool:
    option, _, wanted = needed.partition("=")
    return values[option] != wanted if wanted else values[option] in OFF


def _shown(value: Any) -> str:
    return {None: "not set", False: "false"}.get(value, str(value))
