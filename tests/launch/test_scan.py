from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.launch.scan import Lines, Row, Scanner, last_lines, pairs
from gtrack.records import Number

Logged = list[tuple[dict[str, Number], "Number | None"]]


def scan(output: str | list[bytes], *, hold: bool = False) -> Logged:
    logged: Logged = []
    pieces = [output.encode()] if isinstance(output, str) else output
    scanner = scanner_into(logged, hold=hold)
    for piece in pieces:
        scanner.feed(piece)
    scanner.close()
    rows = [(values, step) for values, step in logged if step is not None]
    left = {name for values, _ in rows for name in values}
    plain = {name: value for values, step in logged if step is None for name, value in values.items()}
    single = {name: value for name, value in plain.items() if name not in left}
    return [*rows, *([(single, None)] if single else [])]


def scanner_into(logged: Logged, unwanted: Callable[[], bool] = lambda: False, *, hold: bool = False) -> Scanner:
    def rows(found: list[Row]) -> None:
        logged.extend((values, step) for step, _, values in found)

    return Scanner(lambda values: logged.append((values, None)), rows, unwanted, hold=hold)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("loss: 0.5", [("loss", 0.5)]),
        ("  accuracy:  0.9333333333333333  ", [("accuracy", 0.9333333333333333)]),
        ("n: 12", [("n", 12)]),
        ("n: -12", [("n", -12)]),
        ("n: +3", [("n", 3)]),
        ("x: 1.", [("x", 1.0)]),
        ("x: .5", [("x", 0.5)]),
        ("lr: 1e-05", [("lr", 1e-05)]),
        ("big: 1E6", [("big", 1e6)]),
        ("loss: nan", [("loss", pytest.approx(float("nan"), nan_ok=True))]),
        ("loss: -inf", [("loss", float("-inf"))]),
        ("val/loss: 0.25", [("val/loss", 0.25)]),
        ("recall@10: 0.25", [("recall@10", 0.25)]),
        ("Test accuracy: 0.93", [("Test accuracy", 0.93)]),
        ("F1 (macro): 0.93", [("F1 (macro)", 0.93)]),
        ("précision: 0.5", [("précision", 0.5)]),
        ("loss : 0.5", [("loss", 0.5)]),
        ("loss:\t0.5", [("loss", 0.5)]),
        ("loss: 0.5, acc: 0.9", [("loss", 0.5), ("acc", 0.9)]),
        ("epoch: 3 - loss: 0.5 - val_loss: 1", [("epoch", 3), ("loss", 0.5), ("val_loss", 1)]),
        ("epoch: 3 loss: 0.5", [("epoch", 3), ("loss", 0.5)]),
        ("100%|##########| 3/3 [00:00<00:00, 9.5it/s]loss: 0.5", [("loss", 0.5)]),
        ("epoch 3: loss: 0.1", [("epoch", 3), ("loss", 0.1)]),
        ("Epoch 1/5 - loss: 0.5 - acc: 0.7", [("epoch", 1), ("loss", 0.5), ("acc", 0.7)]),
        ("epoch 0: loss: 0.1, acc: 0.9", [("epoch", 0), ("loss", 0.1), ("acc", 0.9)]),
        ("Epoch 2 of 9 | val loss: 0.1 | lr: 1e-3", [("epoch", 2), ("val loss", 0.1), ("lr", 0.001)]),
        ("Epoch [1/5], Step [100/600], Loss: 0.25", [("epoch", 1), ("step", 100), ("Loss", 0.25)]),
        ("[epoch 7] loss: 2", [("epoch", 7), ("loss", 2)]),
        ("epoch: 3/10, loss: 2", [("epoch", 3), ("loss", 2)]),
        ("iter 40 loss: 2", [("iteration", 40), ("loss", 2)]),
        ("STEP 40; loss: 2", [("step", 40), ("loss", 2)]),
        ("epoch: 0.5 loss: 2", [("epoch", 0.5), ("loss", 2)]),
        ("step2: 5", [("step2", 5)]),
        ("accuracy: 0.1234567890123456789", [("accuracy", 0.12345678901234568)]),
    ],
)
def test_lines_with_metrics(line: str, found: list[tuple[str, Number]]) -> None:
    assert pairs(line) == found
    assert [type(value) for _, value in pairs(line)] == [float if not isinstance(v, int) else int for _, v in found]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            "hello",
            "loss 0.5",
            "loss=0.5",
            "loss:0.5",
            "http://localhost:8080",
            "port:8080",
            "12: 5",
            "Fold 3: 0.9",
        ),
        *(
            "took: 3 s",
            "acc: 93%",
            "acc: 93.5%",
            "epoch: 3/10",
            "at: 12:30",
            "date: 2026-01-01",
            "version: 1.2.3",
            "x: 1_000",
        ),
        *(
            "x: 0x10",
            "x: 1e",
            "x: --1",
            "x: 1,5x",
            "x: None",
            "x: true",
            "loss: 0.5 (best: 0.4)",
            ": 5",
            "a b c d e f: 5",
        ),
        *("x: " + "9" * 31, "x: 5 6", "ValueError: 5 is not allowed", "loss: 0.5 acc", "x: infinite", "x: nano"),
        "WARNING:root:loss: 0.5",
        *("epoch 3", "epoch 3:", "Epoch 3/5", "epoch 3: 0.5", "epoch 3: loss 0.5", "epoch 3: done, loss: 0.5"),
        *("step 3s: loss: 1", "epoch 3% loss: 1", "step x: loss: 1", "batch 3: loss: 1"),
    ],
)
def test_lines_without_metrics(line: str) -> None:
    assert pairs(line) == []


@given(st.floats(allow_nan=False))
def test_a_float_keeps_all_its_digits(value: float) -> None:
    assert pairs(f"x: {value!r}") == [("x", value)]


@given(st.text(), st.integers(0, 60))
def test_any_line_is_read_without_trouble(text: str, times: int) -> None:
    assert isinstance(pairs(text), list)
    assert pairs(("a" + text) * times + ": ") == []


def test_a_line_made_to_be_slow_is_read_at_once() -> None:
    assert pairs("a: 1 " * 390 + "!") == []
    assert pairs("a " * 990 + ":") == []


def test_a_name_seen_once_is_a_plain_metric() -> None:
    assert scan("Training\naccuracy: 0.93\nf1: 0.91\n") == [({"accuracy": 0.93, "f1": 0.91}, None)]


def test_a_name_seen_again_has_a_history_by_occurrence() -> None:
    output = "".join(f"loss: 0.{n}\nacc: 0.{9 - n}\n" for n in range(4)) + "final: 1\n"
    assert scan(output) == [
        *(({"loss": float(f"0.{n}"), "acc": float(f"0.{9 - n}")}, n) for n in range(4)),
        ({"final": 1}, None),
    ]


def test_steps_come_from_epoch_lines() -> None:
    output = "".join(f"epoch: {n}\nloss: {n}.5\n" for n in (10, 20, 30)) + "test_acc: 0.9\n"
    assert scan(output) == [({"loss": 10.5}, 10), ({"loss": 20.5}, 20), ({"loss": 30.5}, 30), ({"test_acc": 0.9}, None)]


def test_the_finest_of_several_axes_counts() -> None:
    output = "epoch: 0\nstep: 100\nloss: 3\nstep: 200\nloss: 2\nepoch: 1\nstep: 300\nloss: 1\nepoch: 2\n"
    assert scan(output) == [
        ({"loss": 3}, 100),
        ({"loss": 2, "epoch": 1}, 200),
        ({"loss": 1, "epoch": 2}, 300),
    ]


def test_a_name_that_repeats_within_one_step_gets_a_row_each_time() -> None:
    assert scan("step: 5\nloss: 3\nloss: 2\nloss: 1\n") == [({"loss": 3}, 5), ({"loss": 2}, 5), ({"loss": 1}, 5)]


def test_a_column_name_of_the_history_itself_gets_another_name() -> None:
    assert scan("time: 1\ntime: 2\n") == [({"time_value": 1}, 0), ({"time_value": 2}, 1)]


def test_rows_are_logged_while_it_runs() -> None:
    logged: Logged = []
    scanner = scanner_into(logged)
    scanner.feed(b"n: 5\nloss: 0\n")
    scanner.rest()
    assert logged == [({"n": 5, "loss": 0}, None)]
    for n in range(1, 5):
        scanner.feed(f"loss: {n}\n".encode())
    scanner.rest()
    assert logged[1:] == [({"loss": n}, n) for n in range(5)]
    scanner.close()
    assert len(logged) == 6


def test_long_output_is_logged_without_a_rest() -> None:
    logged: Logged = []
    scanner = scanner_into(logged)
    scanner.feed("".join(f"loss: {n}\n" for n in range(10_000)).encode())
    assert len(logged) > 9_000


def test_a_held_scan_logs_nothing_at_a_rest() -> None:
    logged: Logged = []
    scanner = scanner_into(logged, hold=True)
    scanner.feed(b"loss: 1\nloss: 2\n")
    scanner.rest()
    assert logged == []
    scanner.close()
    assert logged == [({"loss": 1}, 0), ({"loss": 2}, 1)]


def test_a_step_that_fits_no_history_is_a_metric() -> None:
    assert scan(f"step: {10**25}\nloss: 1\nloss: 2\n") == [
        ({"loss": 1}, 0),
        ({"loss": 2}, 1),
        ({"step_value": 10**25}, None),
    ]


def test_nothing_is_logged_when_the_script_logs_itself() -> None:
    logged: Logged = []
    uses_api = False
    scanner = scanner_into(logged, lambda: uses_api, hold=True)
    scanner.feed(b"loss: 1\nloss: 2\nloss: 3\nloss: 4\n")
    uses_api = True
    scanner.close()
    assert logged == []


def test_a_held_scan_logs_the_same_in_the_end() -> None:
    output = "".join(f"epoch: {n}\nloss: {n}.5\n" for n in range(9)) + "test_acc: 0.9\n"
    assert scan(output, hold=True) == scan(output)


def test_escape_codes_and_carriage_returns() -> None:
    assert scan("\x1b[1mloss\x1b[0m: \x1b[32m0.5\x1b[0m\r\n") == [({"loss": 0.5}, None)]
    assert scan("loss: 9\rloss: 8\rloss: 7\n") == [({"loss": 7}, None)]
    assert scan("\r 50%|#####     | 1/2\r100%|##########| 2/2\nloss: 7\n") == [({"loss": 7}, None)]
    assert scan("loss: 7") == [({"loss": 7}, None)]


def test_a_progress_bar_without_end_takes_no_memory() -> None:
    lines = Lines()
    for n in range(2000):
        assert list(lines.feed(f"\r{n:5}%|{'#' * 100}".encode())) == []
    assert len(lines._rest) < 200
    assert list(lines.feed(b"\rloss: 1\n")) == ["loss: 1"]


def test_a_line_too_long_is_left_out_and_the_next_is_read() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(b"x" * 1000)) == []
    assert list(lines.feed(b"\nloss: 1\n" + b"y" * 5000 + b"\nacc: 2\n")) == ["loss: 1", "acc: 2"]


@given(
    st.lists(st.sampled_from(["loss: 0.5\n", "a: 1\r", "\x1b[31mb: 2\x1b[0m\n", "é: 3\r\n", "x" * 700, "\n"])),
    st.data(),
)
def test_pieces_of_any_size_give_the_same_lines(parts: list[str], data: st.DataObject) -> None:
    output = "".join(parts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=8)))
    whole = Lines()
    expected = [*whole.feed(output), *whole.close()]
    lines = Lines()
    found: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True):
        found += lines.feed(output[start:end])
    assert [*found, *lines.close()] == expected


def test_last_lines_are_what_a_person_saw() -> None:
    output = b"one\n\x1b[31mtwo\x1b[0m\r\n 10%\r 90%\r100%\n\xff\n\n\n"
    assert last_lines(output, 3) == ["two", "100%", "\ufffd"]
    assert last_lines(b"", 3) == []
