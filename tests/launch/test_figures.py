"""Figures of a launched script, kept as PNG whatever it does with them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.launch.launched import Launcher

DRAW = "import matplotlib.pyplot as plt\n"


def sizes(artifacts: dict[str, bytes]) -> dict[str, tuple[int, int]]:
    return {name: Image.open(io.BytesIO(data)).size for name, data in artifacts.items()}


# Each in a figure of its own, so that one script, which loads matplotlib once, tells of all.
SAVED_OR_LEFT = {
    "My_loss": "plt.figure(num='My loss')\nplt.plot([1])\n",
    "Loss_epoch_ä": "plt.figure()\nplt.plot([1])\nplt.title('Loss / epoch: ä')\n",
    "above": "plt.figure()\nplt.plot([1])\nplt.title('axes')\nplt.suptitle('above')\n",
    "saved": "plt.figure()\nplt.plot([1])\nplt.savefig('saved.png')\n",
    "no_suffix": "plt.figure()\nplt.plot([1])\nplt.savefig('no_suffix')\n",
    "thrice": (
        "plt.figure()\nplt.plot([1])\n"
        "plt.savefig('thrice.pdf')\nplt.savefig('thrice.svg', transparent=True)\nplt.savefig('thrice.png')\n"
    ),
    "closed": "plt.figure()\nplt.plot([1])\nplt.savefig('closed.png')\nplt.close()\n",
    "loop": "for n in range(3):\n    plt.figure()\n    plt.plot([n])\n    plt.savefig('loop.png')\n    plt.close()\n",
    "path": "fig, ax = plt.subplots()\nfig.savefig(Path('path.png').absolute())\n",
    "own": "f = Figure()\nf.add_subplot().plot([1])\nf.savefig('own.png')\n",
}
NOT_KEPT = """
import io
plt.plot([1])
plt.close()
plt.plot([1])
plt.savefig(io.BytesIO())
plt.close()
plt.figure()
"""


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("plt.plot([1, 2])\n", ["figure_1"]),
        (
            "from pathlib import Path\nfrom matplotlib.figure import Figure\n" + "".join(SAVED_OR_LEFT.values()),
            sorted(SAVED_OR_LEFT),
        ),
        (
            "import os\nfor d in 'ab':\n    os.mkdir(d)\n    plt.plot([1])\n    plt.savefig(f'{d}/loss.png')\n    plt.close()\n",
            ["loss", "loss_2"],
        ),
        (NOT_KEPT, []),
        ("plt.plot([1])\nplt.figure()\nplt.plot([2])\n", ["figure_1", "figure_2"]),
        ("plt.plot([1])\nplt.show()\nplt.plot([2])\n", ["figure_1"]),
        ("plt.plot([1])\n1 / 0\n", ["figure_1"]),
        ("plt.plot([1])\nimport sys\nsys.exit(3)\n", ["figure_1"]),
    ],
)
def test_figures_are_kept(launcher: Launcher, source: str, kept: list[str]) -> None:
    launcher.write("train.py", DRAW + source)
    outcome = launcher.run("train.py")
    assert sorted(outcome.artifacts) == [f"figures/{name}.png" for name in kept]
    assert all(min(size) > 0 for size in sizes(dict(outcome.artifacts)).values())
    assert outcome.warnings == []


@pytest.mark.quick
def test_a_saved_png_is_kept_byte_for_byte(launcher: Launcher) -> None:
    launcher.write("train.py", DRAW + "plt.plot([1])\nplt.savefig('loss.png', dpi=50)\n")
    outcome = launcher.run("train.py")
    assert outcome.artifacts["figures/loss.png"] == (launcher.root / "loss.png").read_bytes()


def test_a_picture_in_another_format_keeps_its_looks(launcher: Launcher) -> None:
    launcher.write("train.py", DRAW + "plt.plot([1])\nplt.savefig('loss.pdf', dpi=50)\n")
    assert sizes(dict(launcher.run("train.py").artifacts)) == {"figures/loss.png": (320, 240)}


def test_nothing_is_kept_when_figures_are_off(launcher: Launcher) -> None:
    launcher.write("train.py", DRAW + "plt.plot([1])\nplt.savefig('loss.png')\n")
    assert launcher.run("train.py", figures=False).artifacts == {}


def test_trouble_with_a_figure_is_one_notice(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        DRAW
        + "for n in range(2):\n    plt.figure()\n    plt.plot([1])\n    plt.title('$\\\\undefined$')\nprint('done')\n",
    )
    outcome = launcher.run("train.py")
    assert (outcome.exit_code, outcome.lines) == (0, ["done"])
    assert len(outcome.warnings) == 1
    assert outcome.warnings[0].startswith("A figure could not be kept: ValueError: ")


def test_an_error_of_savefig_is_the_scripts(launcher: Launcher) -> None:
    launcher.write("train.py", DRAW + "plt.plot([1])\nplt.savefig('no/such/directory.png')\n")
    outcome = launcher.run("train.py")
    assert outcome.exit_code == 1
    assert "FileNotFoundError" in outcome.stderr
    assert "hook_figures" not in outcome.stderr


def test_a_backend_for_windows_is_not_asked_for_without_a_display(launcher: Launcher) -> None:
    launcher.write("matplotlibrc", "backend: TkAgg\n")
    launcher.write("train.py", DRAW + "plt.plot([1])\nplt.show()\nprint(plt.get_backend().lower())\n")
    assert launcher.run("train.py").lines == ["agg"]
