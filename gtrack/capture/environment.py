"""What a run ran in: Python, platform, hardware, installed packages, and an allow-list of environment variables.

Everything here ends in git and is pushed to where others read it, so this module also knows what must never get there:
``redact_command`` and ``redact_url`` take credentials out of command lines and addresses, ``looks_secret`` tells a name
that must not be recorded with its value.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from gtrack.records import Value

DEFAULT_VARIABLES: tuple[str, ...] = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "OMP_*",
    "MKL_*",
    "*_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTORCH_*",
    "TF_*DETERMINISTIC*",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "TOKENIZERS_PARALLELISM",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NODELIST",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CPUS_PER_TASK",
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "PBS_JOBID",
    "LSB_JOBID",
    "CI",
    "CI_JOB_ID",
    "CI_PIPELINE_ID",
    "GITHUB_RUN_ID",
    "LANG",
    "LC_ALL",
    "TZ",
)
"""Names, or patterns of names (``fnmatch``), of the environment variables that are recorded by default."""

REDACTED = "***"
"""What stands where a credential stood."""

_GPU_TIMEOUT = 5.0
_CPUINFO_BYTES = 4096


def capture(variables: Sequence[str] = DEFAULT_VARIABLES) -> dict[str, Value]:
    """Return the content of ``environment.yaml`` for this process; takes about a millisecond where there is no GPU.

    Args:
        variables: names or ``fnmatch`` patterns of environment variables to record. A variable whose name looks like
            that of a secret is left out whatever the pattern.

    Returns:
        ``python`` (version, implementation), ``platform`` (system, release, machine), ``cpu`` (model, counts),
        ``memory_bytes``, ``gpu`` (only where there is one), ``packages`` (normalised name to version) and
        ``variables``. What the system does not tell is left out.
    """
    uname = platform.uname()
    found: dict[str, Value] = {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "platform": {"system": uname.system, "release": uname.release, "machine": uname.machine},
        "cpu": _cpu(),
        "memory_bytes": _memory_bytes(),
    }
    gpus = _gpus()
    if gpus:
        found["gpu"] = [dict(gpu) for gpu in gpus]
    found["packages"] = dict(installed_packages())
    found["variables"] = dict(_variables(variables))
    return found


def installed_packages() -> dict[str, str]:
    """Return every distribution that can be imported from here, by its normalised (PEP 503) name.

    It reads the names of the metadata directories on ``sys.path`` and not their contents: ``importlib.metadata`` parses
    each file and takes 50 ms for 200 packages, this takes less than one. As there, the first on the path wins.
    """
    packages: dict[str, str] = {}
    for entry in sys.path:
        for name, version in _distributions(entry or "."):
            packages.setdefault(name, version)
    return dict(sorted(packages.items()))


def _distributions(directory: str) -> Iterator[tuple[str, str]]:
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries]
    except OSError:  # a sys.path entry may be a zip file or be gone
        return
    if directory.endswith(".egg") and "EGG-INFO" in names:
        yield from _distribution(directory, Path(directory).name.removesuffix(".egg"), "EGG-INFO/PKG-INFO")
    for name in names:
        stem, dot, kind = name.rpartition(".")
        if not dot or name.startswith("~"):  # pip renames what it could not remove to ~name
            continue
        if kind == "dist-info":
            yield from _distribution(directory, stem, f"{name}/METADATA")
        elif kind == "egg-info":
            yield from _distribution(directory, stem, f"{name}/PKG-INFO")


def _distribution(directory: str, stem: str, metadata: str) -> Iterator[tuple[str, str]]:
    """Yield name and version from ``name-version[-py3.x]``; opens the metadata only when that is not enough."""
    name, _, rest = stem.partition("-")
    version = rest.partition("-")[0]
    if not version or "_" in version:
        version = _version_in(Path(directory, metadata))
    if name and version:
        yield re.sub(r"[-_.]+", "-", name).lower(), version


def _version_in(metadata: Path) -> str:
    try:
        with metadata.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("Version:"):
                    return line.partition(":")[2].strip()
                if not line.strip():
                    break
    except OSError:  # left over from a broken removal: there is no such package
        pass
    return ""


def _cpu() -> dict[str, Value]:
    cpu: dict[str, Value] = {}
    model = _cpu_model()
    if model:
        cpu["model"] = model
    cpu["logical"] = os.cpu_count()
    cpu["physical"] = _physical_cores()
    if hasattr(os, "sched_getaffinity"):
        cpu["usable"] = len(os.sched_getaffinity(0))
    return {key: value for key, value in cpu.items() if value is not None}


def _cpu_model() -> str | None:
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_IDENTIFIER")
    try:
        # The kernel measures the frequency of each core as it is read: on 128 cores the whole file takes over 10 ms.
        with Path("/proc/cpuinfo").open("rb", buffering=0) as file:
            head = file.read(_CPUINFO_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", head, re.MULTILINE)
    return " ".join(match[1].split()) if match else None


@cache
def _physical_cores() -> int | None:
    if sys.platform != "linux":
        import psutil

        return psutil.cpu_count(logical=False)
    cores = set()
    for core in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list"):
        try:
            cores.add(core.read_text(encoding="ascii"))
        except OSError:  # the core went offline between the listing and the reading
            continue
    return len(cores) or None


def _memory_bytes() -> int:
    if sys.platform == "win32":
        import psutil

        return psutil.virtual_memory().total
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@cache
def _gpus() -> tuple[dict[str, Value], ...]:
    """Ask nvidia-smi once per process: it takes 30 ms at best and seconds on a machine with many GPUs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_GPU_TIMEOUT, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer is a machine without a usable GPU
        return ()
    return tuple(_gpu(line) for line in answer.splitlines() if line.strip())


def _gpu(line: str) -> dict[str, Value]:
    name, memory, driver = ([part.strip() for part in line.split(",")] + ["", ""])[:3]
    gpu: dict[str, Value] = {"name": name}
    if memory.isdigit():
        gpu["memory_bytes"] = int(memory) * 2**20
    if driver:
        gpu["driver"] = driver
    return gpu


def _variables(patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(os.environ):
        if any(fnmatchcase(name, pattern) for pattern in patterns) and not looks_secret(name):
            yield name, redact_url(os.environ[name])


# --- what must not be recorded ---------------------------------------------------------------------------------------

_ALWAYS_SECRET = re.compile(
    r"secret|passw(or)?d|passphrase|credential|api_?key|(access|private|encryption)_?key|(access|auth|bearer|api)_?token"
)
_SECRET_ENDINGS = frozenset({"token", "auth", "authorization", "cookie"})
_SECRET_AFTER_A_WORD = frozenset({"key", "pass", "pat", "pwd"})
_HARMLESS_BEFORE_KEY = frozenset(
    "batch cache column data dict feature foreign group id image index input join label metric order output partition "
    "primary public row sort target text time".split()
)
_SECRET_IN_QUERY = frozenset({"key", "sig", "signature", "x_amz_signature", "x_goog_signature"})


def looks_secret(name: str) -> bool:
    """Return whether a value under this name is to be taken for a credential.

    ``HF_TOKEN``, ``api-key`` and ``dbPassword`` are; ``tokenizer``, ``max_tokens`` and ``sort_key`` are not.
    """
    words = _words(name)
    if _ALWAYS_SECRET.search(words):
        return True
    before, _, last = words.rpartition("_")
    if last in _SECRET_AFTER_A_WORD and before:
        return last != "key" or before.rpartition("_")[2] not in _HARMLESS_BEFORE_KEY
    return last in _SECRET_ENDINGS


def _words(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    return re.sub(r"[^a-z0-9]+", "_", words).strip("_")


_URL_WITH_USER = re.compile(
    r"""([A-Za-z][A-Za-z0-9+.\-]{0,30})://
        (?: ([^/?\#\s]*)@
          | ([^/?\#\s@:]*:(?!\d*(?:[/?\#\s]|$))\S*)@ )      # a password with a / ? or # that nobody escaped
    """,
    re.VERBOSE,
)
_QUERY = re.compile(r"(?<=[?&;#])([A-Za-z_][\w.\-]{0,64})=([^&;#\s\"']+)")


def redact_url(url: str) -> str:
    """Return ``url`` (or a text with URLs in it) without passwords and tokens; anything else is returned as it is.

    Of an http address all that stands before ``@`` goes, as tokens are given as the user name too; elsewhere the user
    name stays (``ssh://git@host``). Values of query parameters that look secret, signatures among them, become ``***``.
    """
    if "://" not in url:
        return url
    return _QUERY.sub(_without_value, _URL_WITH_USER.sub(_without_password, url))


def _without_password(match: re.Match[str]) -> str:
    scheme = match[1]
    user = re.split("[:@]", match[2] or match[3] or "", maxsplit=1)[0]
    keep = user and scheme.lower() not in {"http", "https", "ftp", "ftps"}
    return f"{scheme}://{user}@" if keep else f"{scheme}://"


def _without_value(match: re.Match[str]) -> str:
    secret = looks_secret(match[1]) or _words(match[1]) in _SECRET_IN_QUERY
    return f"{match[1]}={REDACTED}" if secret else match[0]


_ASSIGNMENT = re.compile(r"(-{0,2}[A-Za-z_][\w.\-]*)=(.*)", re.DOTALL)
_DEEPEST = 8
_OPTION = re.compile(r"--?[A-Za-z_][\w.\-]*")
_HEADER = re.compile(
    r"""((?:authorization|cookie)\s*[:=]\s*|\b(?:bearer|basic)\s+(?=[\w.~+/=\-]{16}))[^\s"'][^"'\n]*""", re.IGNORECASE
)
_ENTRY = re.compile(
    r"""(["']?)([A-Za-z_][\w.\-]{0,64})\1(\s*:\s*)
        ("(?:\\.|[^"\\])*" | '[^']*' | [^\s,;"'{}\[\]/][^\s,;"'{}\[\]]*)""",
    re.VERBOSE,
)
_KNOWN_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[opusr]_\w{16,}|github_pat_\w{16,}|glpat-[\w\-]{16,}|hf_[A-Za-z0-9]{16,}|sk-[\w\-]{16,}"
    r"|xox[abprs]-[\w\-]{10,}|AKIA[A-Z0-9]{12,}|pypi-[\w\-]{16,}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*)"
)
_WORD = re.compile(r"""\s+|(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']|["'])+""")


def redact_command(argv: Sequence[str]) -> list[str]:
    """Return the command line with ``***`` where a credential stands; everything else is kept as it was.

    Known are: the value of an option whose name looks secret (``--token x``, ``--api-key=x``), assignments
    (``HF_TOKEN=x``, ``--param db.password=x``), URLs with credentials, authorization headers, JSON and YAML entries,
    well-known token forms (``ghp_…``, ``hf_…``, ``sk-…``), and all of these inside one argument (``sh -c '…'``).

    Args:
        argv: the words of the command.

    Returns:
        As many words as there were.
    """
    return _redact_words(argv, 0)


def _redact_words(argv: Sequence[str], depth: int) -> list[str]:
    kept = []
    secret_follows = False
    for word in argv:
        if secret_follows and not _OPTION.fullmatch(word.partition("=")[0]):
            kept.append(REDACTED)
            secret_follows = False
            continue
        kept.append(_redact_word(word, depth))
        secret_follows = _OPTION.fullmatch(word) is not None and looks_secret(word)
    return kept


def _redact_word(word: str, depth: int) -> str:
    assignment = _ASSIGNMENT.fullmatch(word)
    if assignment is not None and depth < _DEEPEST:
        name, value = assignment.groups()
        return f"{name}={REDACTED if value and looks_secret(name) else _redact_word(value, depth + 1)}"
    text = _HEADER.sub(rf"\1{REDACTED}", _KNOWN_TOKEN.sub(REDACTED, redact_url(word)))
    text = _ENTRY.sub(_redact_entry, text)
    return _redact_line(text, depth) if depth < _DEEPEST and re.search(r"\s", text) else text


def _redact_entry(match: re.Match[str]) -> str:
    quote, name, colon, value = match.groups()
    if not looks_secret(name):
        return match[0]
    around = value[0] if value[0] in "\"'" else ""
    return f"{quote}{name}{quote}{colon}{around}{REDACTED}{around}"


def _redact_line(text: str, depth: int) -> str:
    """Redact a text that is a command line in itself, keeping its white space and its quotes."""
    pieces = _WORD.findall(text)
    if pieces == [text] and not _quote(text):
        return text
    words = [piece for piece in pieces if not piece.isspace()]
    bare = [word[1:-1] if _quote(word) else word for word in words]
    kept = iter(_redact_words(bare, depth + 1))
    quoted = iter([_quote(word) + next(kept) + _quote(word) for word in words])
    return "".join(piece if piece.isspace() else next(quoted) for piece in pieces)


def _quote(word: str) -> str:
    return word[0] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else ""
