"""Names and paths: what may be written, and how it is spelled in git."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from gtrack.errors import InvalidName, InvalidPath

MAX_NAME = 250
"""Characters in a run name or a key."""
MAX_COMPONENT = 240
"""Bytes in one component of a path; file systems allow 255, and temporary names need some."""
MAX_PATH = 1024

RUN_ID = re.compile(r"[0-9a-f]{32}\Z")
_REFERENCE = re.compile(r"last(?:~[0-9]+)?\Z|best:|[0-9a-f]{32}\Z|-")
EXPERIMENTS = "experiments"
ARTIFACTS = "artifacts"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_ENCODED = re.compile(r"""[%/\\:*?"<>|\x00-\x1f\x7f]""")
_WINDOWS_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
# What git refuses in a tree (fsck: hasDotgit), as it would be `.git` on NTFS, where a colon begins a stream, or on HFS+,
# which ignores some characters.
_DOT_GIT = re.compile(r"(?:\.git|git~[0-9]+)[ .]*(?:\Z|:)", re.IGNORECASE)
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f]")
_DRIVE = re.compile(r"[A-Za-z]:")

_ADJECTIVES = """amber ample apt azure balmy bold brave breezy bright brisk calm candid clear clever cosy crisp curious dapper
deft eager early easy fair fond fresh gentle glad golden grand green happy hardy honest humble jolly keen kind light lively
lucid lucky mellow merry mild misty modest neat nimble noble plucky polite proud quick quiet rapid ready rosy rustic sage
serene sharp shiny silver sleek snug solid spry steady still sturdy subtle sunny swift tidy tranquil upbeat vivid warm wise
witty young zesty""".split()
_NOUNS = """acorn alder aspen badger bay beacon birch bison brook cedar cliff cloud comet coral crane creek curlew dawn delta
dove dune eagle elm ember falcon fern finch fjord forest fox garnet glade grove gull harbor hare hazel heron hill ibex iris
island ivy jay juniper kestrel lake lark laurel leaf linden lynx maple marten meadow moon moss oak orchid osprey otter owl
pebble pine plover pond poplar puffin quartz quail raven reef ridge river robin rowan sable sage seal shore sparrow spruce
stone stork summit swallow swan teal thistle thrush tide topaz trout valley vale walnut willow wren yew""".split()


def new_run_id() -> str:
    """Return a fresh run id: 32 hexadecimal digits."""
    import uuid  # noqa: PLC0415 - takes as long as this module, and few ids are new

    return uuid.uuid4().hex


def new_run_name() -> str:
    """Return a name that a person can say: ``calm-otter-12``."""
    import random  # noqa: PLC0415 - as in ``new_run_id``

    chance = random.SystemRandom()  # the user's seed is the user's
    return f"{chance.choice(_ADJECTIVES)}-{chance.choice(_NOUNS)}-{chance.randrange(1, 1000)}"


def check_name(name: object, what: str) -> str:
    """Return ``name`` in Unicode's composed form (NFC) when it can be the name of a ``what``.

    Raises:
        InvalidName: it is no text, empty, too long, or has control characters (a line break among them).
    """
    if not isinstance(name, str):
        raise InvalidName(f"A {what} name is text, not {type(name).__name__}: {name!r}.")
    name = unicodedata.normalize("NFC", name)
    if not name or name != name.strip():
        raise InvalidName(f"A {what} name cannot be empty or begin or end with a space: {name!r}.")
    if len(name) > MAX_NAME:
        raise InvalidName(f"The {what} name {name[:40]!r}… has {len(name)} characters; {MAX_NAME} is the limit.")
    found = _CONTROL.search(name)
    if found:
        raise InvalidName(f"The {what} name {name!r} has the character {found.group()!r}, which names cannot have.")
    return name


def check_run_name(name: object) -> str:
    """Return ``name`` when it can name a run: as ``check_name``, and it does not mean something else as a run reference.

    Raises:
        InvalidName: it cannot.
    """
    checked = check_name(name, "run")
    if _REFERENCE.match(checked):
        raise InvalidName(f"A run cannot be called {checked!r}: as a reference that means another run.")
    return checked


def check_experiment(name: object) -> str:
    """Return ``name`` when it can name an experiment; its encoded form must fit one path component."""
    checked = check_name(name, "experiment")
    size = len(encode_experiment(checked).encode())
    if size > MAX_COMPONENT:
        raise InvalidName(
            f"The experiment name {checked[:40]!r}… takes {size} bytes as a path; {MAX_COMPONENT} is the limit."
        )
    return checked


def encode_experiment(name: str) -> str:
    """Return ``name`` as one path component: percent-encoded where a path needs it, readable elsewhere."""
    encoded = _ENCODED.sub(lambda match: _percent(match.group()), name)
    if encoded[0] in ".-" or _WINDOWS_DEVICE.match(encoded) or is_dot_git(encoded):
        encoded = _percent(encoded[0]) + encoded[1:]
    if encoded[-1] in ". ":
        encoded = encoded[:-1] + _percent(encoded[-1])
    return encoded


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def decode_experiment(component: str) -> str:
    """Return the experiment name that a path component spells."""
    return unquote(component)


def on_one_line(text: str) -> str:
    """Return a text without what would end a line of a commit's message: a name may be of a stranger, and forge a trailer."""
    return _CONTROL.sub("?", text)


def run_path(experiment: str, run_id: str) -> str:
    """Return the run directory's path on the runs branch."""
    return f"{EXPERIMENTS}/{encode_experiment(experiment)}/{run_id[:2]}/{run_id}"


def experiment_directory(experiment: str) -> str:
    """Return the path of the experiment on the runs branch."""
    return f"{EXPERIMENTS}/{encode_experiment(experiment)}"


def experiment_path(experiment: str) -> str:
    """Return the path of the experiment's own file on the runs branch."""
    return f"{experiment_directory(experiment)}/experiment.yaml"


def is_dot_git(part: str) -> bool:
    """Tell whether git takes a part of a path for its own directory, on some system."""
    return _DOT_GIT.match(_IGNORED_BY_HFS.sub("", part)) is not None


def check_artifact_path(path: object) -> str:
    """Return ``path`` when it is safe below ``artifacts/``, on every system.

    Raises:
        InvalidPath: it is absolute, has ``..``, a drive letter, a backslash, control characters, or a part that git or a
            file system refuses.
    """
    if not isinstance(path, str) or not path:
        raise InvalidPath(f"An artifact path is text such as 'figures/roc.png', not {path!r}.")
    path = unicodedata.normalize("NFC", path)
    parts = path.split("/")
    found = _CONTROL.search(path)
    if found:
        raise InvalidPath(f"The artifact path {path!r} has the character {found.group()!r}, which paths cannot have.")
    if path.startswith("/") or _DRIVE.match(path) or "\\" in path:
        raise InvalidPath(f"The artifact path {path!r} must be relative, with '/' between its parts.")
    for part in parts:
        if part in ("", ".", ".."):
            raise InvalidPath(f"The artifact path {path!r} has a part {part!r}; every part must be a name.")
        if is_dot_git(part) or len(part.encode()) > MAX_COMPONENT:
            raise InvalidPath(f"The artifact path {path!r} has a part {part[:40]!r} that git or a file system refuses.")
    if len(path) > MAX_PATH:
        raise InvalidPath(f"The artifact path {path[:60]!r}… has {len(path)} characters; {MAX_PATH} is the limit.")
    return path
