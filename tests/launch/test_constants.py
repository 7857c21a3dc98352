"""Which names of a module are parameters, and which are counters, records and other variables."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from gtrack.launch.constants import find_constants


@pytest.mark.parametrize(
    ("source", "names"),
    [
        # Settled: literals only.
        ("lr = 0.1", "lr"),
        ("n = 0", "n"),
        ("best = None", "best"),
        ("lr = 0.1\nlr = 0.5", "lr"),
        ("lr = 0.1\ndef f():\n    global lr\n    print(lr)", "lr"),
        # Going on: made from the old value.
        ("lr = 0.1\nlr = lr * 0.5", "lr"),
        ("lr = 0.1\nlr *= 0.5", "lr"),
        ("N_EPOCHS = 3\nN_EPOCHS += 1", "N_EPOCHS"),
        ("LR = 1\nLR = LR", "LR"),
        ("LR = 1\nLR = float(LR)", "LR"),
        ("name = 'a'\nname = name + '_x'", "name"),
        ("sizes = [1, 2]\nsizes = tuple(sizes)", "sizes"),
        ("lr = 0.1\nfor e in range(3):\n    lr *= 0.5", "lr"),
        ("lr = 0.1\nfor e in range(3):\n    lr = lr * (1 - e / 3)", "lr"),
        ("lr = 1.0\nwhile lr > 0.1:\n    lr = max(lr * 0.5, 0.1)", "lr"),
        ("lr = 0.1\nfor e in range(3):\n    lr = max(lr, 0.01)", "lr"),
        ("seed = 42\nfor r in range(3):\n    seed += 1", "seed"),
        ("patience = 5\nwhile patience:\n    patience -= 1", "patience"),
        ("lr = 0.1\nlr = 0.2\nlr *= 3", "lr"),
        ("lr = 0.1\ndef f():\n    global lr\n    lr *= 0.5", "lr"),
        ("c = {'lr': 0.1, 'n': 0}\nc['lr'] *= 0.5", "c"),
        ("c = {'lr': 0.1}\nc['lr'] = c['lr'] / 2", "c"),
        # Counters, sums and what is filled.
        ("step = 0\nstep += 1", ""),
        ("total = 0.0\nfor x in y:\n    total += x", ""),
        ("out = ''\nout += 'x'", ""),
        ("rows = []\nrows += [1]", ""),
        ("seen = {}\nseen['a'] = f(seen)", ""),
        ("state = None\nstate = step(state)", ""),
        ("done = False\ndone = check(done)", ""),
        ("epoch = 1\nwhile epoch < 5:\n    epoch += 1", ""),
        ("out = 'head'\nfor x in y:\n    out += x", ""),
        ("flag = True\nfor x in y:\n    flag = not flag", ""),
        ("rows = [1]\nfor x in y:\n    rows.append(x)", ""),
        ("history = {'loss': []}\nhistory['loss'] += [1]", ""),
        ("counts = {'a': 0}\ncounts['a'] += 1", ""),
        ("state = {'epoch': 0, 'lr': 0.1}\nstate['epoch'] += 1", ""),
        ("n = 0\ndef f():\n    global n\n    n += 1", ""),
        # The best so far.
        ("best = -1e9\nfor x in y:\n    best = max(best, x)", ""),
        ("best = 1e10\nbest = min(best, x)", ""),
        ("best = 1e999\nbest = min(best * 1, x)", ""),
        ("best = 100.0\nfor x in y:\n    best = min(best, x)", ""),
        ("best = 0.5\nfor x in y:\n    best = x if x > best else best", ""),
        ("best = 0.5\nfor acc in y:\n    best = acc", ""),
        ("best = 0.5\ndef f(acc):\n    global best\n    best = acc", ""),
        # What may be another value altogether.
        ("LR = 0.1\nLR = os.environ.get('LR', LR)", ""),
        ("LR = 0.1\nLR = LR or load()", ""),
        ("device = 'cpu'\ndevice = pick()", ""),
        ("pi = 3\nfrom math import pi", ""),
        ("lr = 0.1\nfor lr in (1, 2):\n    pass", ""),
        ("lr = 0.1\nfor e in range(3):\n    lr *= 2\n    lr = 5", ""),
        ("for e in range(3):\n    lr = 0.1\n    lr *= 2", ""),
        ("_lr = 0.1\n_lr *= 2", ""),
    ],
)
def test_parameters_are_told_from_variables(source: str, names: str) -> None:
    constants = find_constants(ast.parse(dedent(source)))
    assert [name for name, constant in constants.items() if constant.parameter] == names.split()
