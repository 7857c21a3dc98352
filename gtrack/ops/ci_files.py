"""Write the files that let GitHub or GitLab check what pull requests propose, and make the tags after the merge.

Nothing that a pull request says reaches a shell as text: it comes in variables of the environment. Nothing that it brings is run:
gtrack is installed from where the file says, and reads the repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gtrack.capture.environment import redact_url
from gtrack.errors import GTrackError
from gtrack.formats.yamlio import scalar
from gtrack.git.repo import Repository

_GITHUB = ".github/workflows/gtrack.yml"
_GITLAB, _GITLAB_INCLUDED = ".gitlab-ci.yml", ".gitlab/gtrack.yml"


class Host(str, Enum):
    """Where the repository is hosted."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class CiFile:
    """What became of the file.

    Attributes:
        path: where it is, below the root of the working tree.
        written: whether it was written; a file that was there stays as it is.
        include: what ``.gitlab-ci.yml`` must say for it to count; empty when nothing.
        source: what pip installs gtrack from there; empty where that has still to be said in the file.
    """

    path: str
    written: bool
    include: str = ""
    source: str = ""


def write_ci_file(repo: Repository, host: Host) -> CiFile:
    """Write the file of a host, unless there is one already.

    Args:
        repo: the repository, with a working tree.
        host: which one.

    Raises:
        GTrackError: there is no working tree, or the file cannot be written.
    """
    root = repo.root
    if root is None:
        raise GTrackError(
            f"{repo.git_dir} is a bare repository, without a place for {host.value}'s file. Use a clone of it."
        )
    include, place, source = "", _GITHUB, installed_from()
    if host is Host.GITLAB:
        text, place = _GITLAB_TEXT.replace("@SOURCE@", scalar(source)), _GITLAB
        if (root / _GITLAB).exists() and (root / _GITLAB).read_bytes() != text.encode():
            include, place = f"include:\n  - local: {_GITLAB_INCLUDED}\n", _GITLAB_INCLUDED
    else:
        text = _GITHUB_TEXT.replace("@BRANCH@", scalar(default_branch(repo))).replace("@SOURCE@", scalar(source))
    return CiFile(place, _write_new(root / place, text), include, source)


def installed_from() -> str:
    """Return what pip installs this very gtrack from: a commit of a repository, as PEP 610 keeps it; empty when it is not known.

    A name and a version would not do: who owns the name in a package index gets the rights of the job that makes tags.
    """
    try:
        said = json.loads(distribution("gtrack").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    commit, url = said.get("vcs_info", {}).get("commit_id"), str(said.get("url", ""))
    return f"gtrack @ git+{redact_url(url)}@{commit}" if commit and url.startswith(("https://", "ssh://")) else ""


def default_branch(repo: Repository) -> str:
    """Return the branch that pull requests are merged into: what the remote says, else the one that is checked out."""
    for ref in ("refs/remotes/origin/HEAD", "HEAD"):
        code, found, _ = repo.answer("symbolic-ref", "--short", "--quiet", ref)
        if code == 0:
            return found.decode(errors="replace").strip().removeprefix("origin/")
    return "main"


def _write_new(path: Path, text: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise GTrackError(f"{path} cannot be written: {error.strerror or error}.") from error
    return True


_GITHUB_TEXT = """\
# Promotions of models in pull requests, as 'gtrack init --ci github' writes it.
# It runs nothing that a pull request brings: gtrack is installed from where GTRACK says, and reads the repository.
name: gtrack

on:
  pull_request:
  pull_request_review:
    types: [submitted, dismissed]
  push:
    branches: [@BRANCH@] # what pull requests are merged into

permissions:
  contents: read

env:
  # What pip installs gtrack from, one commit or version of it: gtrack @ git+https://HOST/PATH@COMMIT
  GTRACK: @SOURCE@

jobs:
  check:
    if: github.event_name != 'push'
    runs-on: ubuntu-latest
    permissions:
      contents: read
      pull-requests: write
    concurrency:
      group: gtrack-check-${{ github.event.pull_request.number }}
      cancel-in-progress: true
    env:
      BASE: ${{ github.base_ref || github.event.pull_request.base.ref }}
      GH_TOKEN: ${{ github.token }}
      NUMBER: ${{ github.event.pull_request.number }}
      REPOSITORY: ${{ github.repository }}
    steps:
      - uses: actions/checkout@v5
        with:
          ref: refs/pull/${{ github.event.pull_request.number }}/merge
          fetch-depth: 0
      - uses: actions/setup-python@v6
        with:
          python-version: "3.12"
      - name: Install gtrack
        run: pip install --quiet "${GTRACK:?must say what pip installs gtrack from}"
      - name: Fetch tags as they are
        # A checkout has turned annotated tags into lightweight ones.
        run: git fetch --quiet --force origin 'refs/tags/*:refs/tags/*'
      - name: Ask who approves
        run: |
          gh api "repos/$REPOSITORY/pulls/$NUMBER/reviews?per_page=100" --jq '
            [.[] | select(.state != "COMMENTED") | select(.author_association | IN("OWNER", "MEMBER", "COLLABORATOR"))]
            | group_by(.user.login) | .[] | last | select(.state == "APPROVED") | .user.login' > "$RUNNER_TEMP/approvals"
      - name: Check what is proposed
        run: |
          approved=()
          while read -r who; do approved+=(--approved-by "$who"); done < "$RUNNER_TEMP/approvals"
          gtrack promote --check --base "origin/$BASE" --markdown "$RUNNER_TEMP/comment.md" "${approved[@]}"
      - name: Tell it in the pull request
        # The token of a pull request from a fork may not write.
        if: ${{ !cancelled() && github.event.pull_request.head.repo.full_name == github.repository }}
        run: |
          comments="repos/$REPOSITORY/issues/$NUMBER/comments?per_page=100"
          old=$(gh api "$comments" --jq '[.[] | select(.user.type == "Bot")
            | select(.body | startswith("<!-- gtrack promote --check -->")) | .id] | first // empty')
          if [ -s "$RUNNER_TEMP/comment.md" ] && [ -n "$old" ]; then
            gh api --silent --method PATCH "repos/$REPOSITORY/issues/comments/$old" -F body=@"$RUNNER_TEMP/comment.md"
          elif [ -s "$RUNNER_TEMP/comment.md" ]; then
            gh api --silent --method POST "repos/$REPOSITORY/issues/$NUMBER/comments" -F body=@"$RUNNER_TEMP/comment.md"
          elif [ -n "$old" ]; then
            gh api --silent --method DELETE "repos/$REPOSITORY/issues/comments/$old"
          fi

  apply:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    permissions:
      contents: write
      pull-requests: read
    concurrency:
      group: gtrack-apply
      cancel-in-progress: false
    env:
      BEFORE: ${{ github.event.before }}
      COMMIT: ${{ github.sha }}
      GH_TOKEN: ${{ github.token }}
      REPOSITORY: ${{ github.repository }}
    steps:
      - uses: actions/checkout@v5
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v6
        with:
          python-version: "3.12"
      - name: Install gtrack
        run: pip install --quiet "${GTRACK:?must say what pip installs gtrack from}"
      - name: Fetch tags as they are
        run: git fetch --quiet --force origin 'refs/tags/*:refs/tags/*'
      - name: Ask who approved
        run: |
          number=$(gh api "repos/$REPOSITORY/commits/$COMMIT/pulls" --jq '[.[] | select(.merged_at)] | first | .number // empty')
          : > "$RUNNER_TEMP/approvals"
          if [ -n "$number" ]; then
            gh api "repos/$REPOSITORY/pulls/$number/reviews?per_page=100" --jq '
              [.[] | select(.state != "COMMENTED") | select(.author_association | IN("OWNER", "MEMBER", "COLLABORATOR"))]
              | group_by(.user.login) | .[] | last | select(.state == "APPROVED") | .user.login' > "$RUNNER_TEMP/approvals"
          fi
      - name: Make the tags that are asked for
        run: |
          approved=()
          while read -r who; do approved+=(--approved-by "$who"); done < "$RUNNER_TEMP/approvals"
          gtrack promote --apply --push --base "$BEFORE" "${approved[@]}"
"""

_GITLAB_TEXT = """\
# Promotions of models in merge requests, as 'gtrack init --ci gitlab' writes it.
# It runs nothing that a merge request brings: gtrack is installed from where GTRACK says, and reads the repository.
#
# GTRACK_TOKEN (a variable of the project, masked): a project access token with the scope api, for the comment. Without it there
# is none; the job log and the artifact comment.md have it.
# GTRACK_PUSH_TOKEN (masked and protected): a project access token with the scope write_repository that may make protected tags.
# Without it the job token pushes, where the project allows it that.

.gtrack:
  image: python:3.12
  variables:
    # What pip installs gtrack from, one commit or version of it: gtrack @ git+https://HOST/PATH@COMMIT
    GTRACK: @SOURCE@
    GIT_DEPTH: "0"

gtrack-check:
  extends: .gtrack
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - pip install --quiet "${GTRACK:?must say what pip installs gtrack from}"
    - >-
      git fetch --quiet --force origin 'refs/tags/*:refs/tags/*'
      "+refs/heads/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME:refs/remotes/origin/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
    - gtrack promote --check --base "origin/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" --markdown comment.md
  after_script:
    - |
      [ -n "$GTRACK_TOKEN" ] || exit 0
      notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
      ask() { curl --fail --silent --show-error --header "PRIVATE-TOKEN: $GTRACK_TOKEN" "$@"; }
      old=$(ask "$notes?per_page=100" | python3 -I -c '
      import json, sys
      mark = "<!-- gtrack promote --check -->"
      print(next((one["id"] for one in json.load(sys.stdin) if one["body"].startswith(mark)), ""))')
      if [ -s comment.md ] && [ -n "$old" ]; then
        ask --output /dev/null --request PUT "$notes/$old" --data-urlencode body@comment.md
      elif [ -s comment.md ]; then
        ask --output /dev/null --request POST "$notes" --data-urlencode body@comment.md
      elif [ -n "$old" ]; then
        ask --output /dev/null --request DELETE "$notes/$old"
      fi
  artifacts:
    when: always
    expire_in: 1 week
    paths: [comment.md]

gtrack-apply:
  extends: .gtrack
  rules:
    - if: $CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  resource_group: gtrack-apply
  script:
    - pip install --quiet "${GTRACK:?must say what pip installs gtrack from}"
    - git fetch --quiet --force origin 'refs/tags/*:refs/tags/*'
    - |
      user=gitlab-ci-token
      if [ -n "$GTRACK_PUSH_TOKEN" ]; then user=gtrack; fi
      url="https://$user:${GTRACK_PUSH_TOKEN:-$CI_JOB_TOKEN}@${CI_PROJECT_URL#https://}.git"
      git remote set-url --push origin "$url"
    - gtrack promote --apply --push --base "$CI_COMMIT_BEFORE_SHA"
"""
