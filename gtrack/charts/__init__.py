"""Pictures: what users hand in as figures and images, and the charts that gtrack draws itself.

matplotlib is used through its objects alone: no pyplot, so no figure is registered, no backend is chosen and no window
opens, whatever the user's program does with it at the same time.
"""

from __future__ import annotations

from gtrack.charts.encoding import figure_to_bytes, figure_to_png, image_to_png
from gtrack.charts.history import history_chart

__all__ = ["figure_to_bytes", "figure_to_png", "history_chart", "image_to_png"]
