from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import InvalidName, InvalidValue, UnknownParameter, UsageError
from gtrack.launch.given import Given, fit_given, read_given
from gtrack.launch.parameters import ScriptParameters, discover
from gtrack.records import Value


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("n=100", "n", 100),
        ("lr=1e-3", "lr", 0.001),
        ("lr=1.0", "lr", 1.0),
        ("flag=true", "flag", True),
        ("flag=no", "flag", "no"),
        ("x=null", "x", None),
        ("x=", "x", ""),
        ("layers=[64, 32]", "layers", [64, 32]),
        ("opt={lr: 0.1}", "opt", {"lr": 0.1}),
        ("optimizer.lr=0.5", "optimizer.lr", 0.5),
        ("query=a=b=c", "query", "a=b=c"),
        (" n =5", "n", 5),
        ("text='007'", "text", "007"),
    ],
)
def test_values_are_typed(word: str, name: str, value: Value) -> None:
    given = read_given([word], None)
    assert given.values == {name: value}
    assert given.texts == {name: word.partition("=")[2]}


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["lr"], UsageError, "name=value"),
        (["=5"], UsageError, "name=value"),
        (["lr=1", "lr=2"], UsageError, "twice: '1' and '2'"),
        (["l\nr=1"], InvalidName, "parameter name"),
        (["x=[1, 2"], InvalidValue, "not valid YAML"),
    ],
)
def test_bad_words(words: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        read_given(words, None)


def test_the_same_value_twice_is_no_matter() -> None:
    assert read_given(["lr=1", "lr=1"], None).values == {"lr": 1}


@pytest.mark.parametrize("text", ["lr: 0.1\nlayers: [1, 2]\n", '{"lr": 0.1, "layers": [1, 2]}'])
def test_a_file_gives_values_and_options_win(tmp_path: Path, text: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    assert read_given([], file) == Given({"lr": 0.1, "layers": [1, 2]}, {})
    assert read_given(["lr=0.5"], file) == Given({"lr": 0.5, "layers": [1, 2]}, {"lr": "0.5"})


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("- 1\n- 2\n", "holds a list"), ("a: [", "not valid YAML")],
)
def test_a_bad_file(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "params.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_given([], file)


@pytest.fixture
def parameters(tmp_path: Path) -> ScriptParameters:
    script = tmp_path / "train.py"
    script.write_text("lr = 0.1\nn = 5\nname = 'a'\noptimizer = {'lr': 0.1, 'momentum': 0.9}\n")
    return discover(script, [])


def test_given_values_take_the_kind_of_the_constant(parameters: ScriptParameters) -> None:
    given = fit_given(read_given(["lr=1", "name=007"], None), parameters, "train.py")
    assert given.values == {"lr": 1.0, "name": "007"}
    assert isinstance(given.values["lr"], float)


def test_a_nested_mapping_gives_the_keys_that_the_script_has(parameters: ScriptParameters) -> None:
    given = fit_given(Given({"optimizer": {"lr": 0.5}}), parameters, "train.py")
    assert given.values in ({"optimizer.lr": 0.5}, {"optimizer": {"lr": 0.5}})


def test_an_unknown_name_is_refused(parameters: ScriptParameters) -> None:
    with pytest.raises(UnknownParameter, match=r"train.py has no parameter 'momentun'"):
        fit_given(read_given(["momentun=1"], None), parameters, "train.py")
