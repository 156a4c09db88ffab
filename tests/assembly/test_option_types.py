"""Every option that a user may write has a type that configurations can read."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

from auxseg.balancing import BALANCERS
from auxseg.config.values import convert
from auxseg.data.datasets import DATASETS
from auxseg.tasks import TASKS

KINDS = [*TASKS.values(), *DATASETS.values(), *BALANCERS.values()]
#: What the program itself passes.
FIXED = {"regression"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_option_s_default_is_a_value_of_its_type(kind: type) -> None:
    hints = get_type_hints(inspect.getattr_static(kind, "__init__"))
    for name, option in inspect.signature(kind).parameters.items():
        if option.default is not inspect.Parameter.empty and name not in FIXED:
            assert convert(name, hints[name], option.default) == option.default
