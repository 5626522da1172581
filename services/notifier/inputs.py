"""The detector's input size, as shown on the camera page."""

from parking.core.events import LayoutPublished
from parking.vision.inputsize import input_size
from services.notifier.views import InputSizeView


def input_view(
    layout: LayoutPublished | None, size_wh: tuple[int, int] | None
) -> InputSizeView | None:
    """Return the input size by the detector's own rule; None without a layout."""
    if layout is None:
        return None
    if size_wh is None and not layout.input_size_px:
        reason = "it depends on how large the spaces are in the first picture"
        return InputSizeView(size_px=None, automatic=True, reason=reason)
    chosen = input_size(layout, size_wh or (1, 1))
    return InputSizeView(size_px=chosen.size_px, automatic=chosen.automatic, reason=chosen.reason)
