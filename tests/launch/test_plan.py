from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.launch.plan import LaunchPlan

texts = st.text(max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
)
plans = st.builds(
    LaunchPlan,
    script=st.none() | texts,
    module=st.none() | texts,
    args=st.lists(texts),
    given=st.dictionaries(texts, values, max_size=3),
    mechanism=st.sampled_from(["constants", "argparse"]),
    texts=st.dictionaries(texts, texts, max_size=3),
    figures=st.booleans(),
    seed=st.none() | st.integers(),
)


@given(plans)
def test_a_plan_travels_as_text(plan: LaunchPlan) -> None:
    assert LaunchPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(("text", "error"), [("{", ValueError), ('{"unknown": 1}', TypeError)])
def test_a_text_that_is_no_plan(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        LaunchPlan.from_json(text)


def test_the_command_shows_what_runs() -> None:
    script = LaunchPlan(script="train.py", args=["--x"]).command("python3")
    module = LaunchPlan(module="pkg.train").command("python3")
    assert script[0] == module[0] == "python3"
    assert Path(script[1]).is_file()
    assert (script[2:], module[2:]) == (["train.py", "--x"], ["-m", "pkg.train"])
