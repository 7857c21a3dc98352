"""The environment variables that gtrack reads, or sets for the scripts that it launches."""

from __future__ import annotations

REPO_VARIABLE = "GTRACK_REPO"
"""The repository to use instead of the one around the current directory."""
EXPERIMENT_VARIABLE = "GTRACK_EXPERIMENT"
"""The experiment of runs that name none."""
RUN_DIR_VARIABLE = "GTRACK_RUN_DIR"
"""The live directory of the run that ``gtrack run`` launched this process for."""
GIVEN_VARIABLE = "GTRACK_GIVEN"
"""The parameters that ``gtrack run`` was given, as a JSON object."""
GIVEN_TEXTS_VARIABLE = "GTRACK_GIVEN_TEXTS"
"""The words that were typed for those of them that were typed, as a JSON object: ``007`` is more than the number 7."""
