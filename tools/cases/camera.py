"""One camera without a stack. Its pictures go through the detector's analysis, and the results
through the tracker's fold."""

from parking.core.errors import Invalid
from parking.core.events import DetectionMade, FrameRef, LayoutPublished, TickElapsed
from parking.core.lots import adoption
from parking.core.occupancy import step
from parking.core.site import Site
from parking.vision.imagehealth import Look
from services.detector.analysis import Analyser, Finding, Job
from services.detector.gate import LastView


class Watched:
    """A camera with a layout that was just adopted."""

    def __init__(self, analyser: Analyser, layout: LayoutPublished) -> None:
        self._analyser = analyser
        self._layout = layout
        self._looks: dict[str, Look] = {}
        self._last_views: dict[str, LastView] = {}
        self._site, _ = step(Site(site_id=layout.site_id), adoption(layout, "cases"))
        self._time_ms = layout.time_ms
        self._count = 0

    def find(self, jpeg: bytes, after_ms: int) -> Finding:
        """Analyse a picture taken this long after the last one. Raises Invalid if the detector
        refuses it."""
        self._count += 1
        self._time_ms += after_ms
        camera_id, name = self._layout.camera_id, f"{self._layout.camera_id}/1/{self._count}"
        job = Job(jpeg, camera_id, self._layout, frame_id=name, time_ms=self._time_ms)
        (found,) = self._analyser.analyse([job], self._looks, self._last_views)
        if isinstance(found, Invalid):
            raise found
        tick = TickElapsed(id=f"{name}/tick", site_id=self._site.site_id, time_ms=self._time_ms)
        self._site, _ = step(self._site, tick)
        self._site, _ = step(self._site, self._detection(found, name))
        return found

    def see(self, jpeg: bytes, after_ms: int) -> str:
        """Return the picture's health, or the reason if it is refused."""
        try:
            return self.find(jpeg, after_ms).health.status
        except Invalid as error:
            return error.reason

    def states(self) -> dict[str, str]:
        """Return the tracker's state of each slot."""
        return {slot_id: str(slot.state) for slot_id, slot in self._site.slots.items()}

    def condition(self) -> tuple[str, str]:
        """Return the camera's last reported status and reason."""
        camera = self._site.cameras[self._layout.camera_id]
        return camera.status, camera.reason

    def _detection(self, found: Finding, name: str) -> DetectionMade:
        return DetectionMade(
            id=name,
            site_id=self._site.site_id,
            time_ms=self._time_ms,
            camera_id=self._layout.camera_id,
            frame_ref=FrameRef(frame_id=name, partition=0, offset=self._count),
            width=found.width,
            height=found.height,
            layout_version=found.layout_version,
            model_id="cases",
            health=found.health,
            boxes=found.boxes,
            observations=found.observations,
            timings_ms={},
        )
