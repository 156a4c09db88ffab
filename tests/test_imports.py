"""What importing auxseg costs: not torchvision ever, and Lightning only where something trains."""

from __future__ import annotations

import subprocess
import sys

import pytest

import auxseg

#: Seconds to import, and not needed before something is trained.
HEAVY = ("torch", "pytorch_lightning", "lightning_fabric", "matplotlib", "cv2")


def loaded_by(code: str) -> set[str]:
    """The top-level modules that are loaded after running the code in a fresh interpreter."""
    report = "import sys; print('MODULES', *(name for name in sys.modules if '.' not in name))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


def calling(*arguments: str) -> str:
    """Code that calls the command line and catches its exit."""
    return (
        "import contextlib\nfrom auxseg.cli import main\n"
        f"with contextlib.suppress(SystemExit):\n    main({list(arguments)!r})"
    )


@pytest.mark.parametrize(
    "code", ["import auxseg; dir(auxseg)", calling("--help"), calling("--version")]
)
def test_light_calls_load_nothing_heavy(code: str) -> None:
    assert not loaded_by(code) & {*HEAVY, "torchvision"}


def test_presets_are_counted_without_what_only_training_needs() -> None:
    unwanted = {"pytorch_lightning", "lightning_fabric", "tensorboard", "matplotlib.pyplot"}
    assert not loaded_by(calling("presets")) & unwanted


def test_the_library_s_names_are_listed() -> None:
    assert set(auxseg.__all__) <= set(dir(auxseg))
    assert {"train", "fit", "load", "configure"} <= set(auxseg.__all__)


def test_everything_imports_without_torchvision() -> None:
    # None in sys.modules makes every import of the name fail, whether it is installed or not.
    forbid = "import sys\nsys.modules['torchvision'] = None\n"
    modules = loaded_by(
        f"{forbid}import auxseg.api, auxseg.cli, auxseg.report.gallery\n"
        "import auxseg.experiments.reproduce"
    )
    assert "pytorch_lightning" in modules
