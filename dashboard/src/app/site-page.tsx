import { useCallback, useEffect, useRef, useState } from "react";

import { CameraPanel } from "../features/cameras/camera-panel";
import { Announcer } from "../features/changes/announcer";
import { ChangeFeed } from "../features/changes/change-feed";
import { SlotDetails } from "../features/details/slot-details";
import { PlanPanel } from "../features/plan/plan-panel";
import { SiteSummary } from "../features/summary/site-summary";
import { vehiclesOverSeveral } from "../shared/straddling";
import { useCameras, useChanges, useSite } from "../shared/use-live";

/** One lot: its counts, plan, cameras and last changes. */
export function SitePage({ siteId }: { siteId: string }) {
  const site = useSite(siteId);
  const cameras = useCameras(siteId);
  const changes = useChanges(siteId);
  const [selected, setSelected] = useState<string | null>(null);
  const opener = useRef<Element | null>(null);

  const select = useCallback((slotId: string) => {
    opener.current = document.activeElement;
    setSelected(slotId);
  }, []);

  const close = useCallback(() => {
    if (selected) focusBack(opener.current, selected);
    setSelected(null);
  }, [selected]);

  useEffect(() => {
    if (selected) showAboveSheet(selected);
  }, [selected]);

  if (!site) return null;
  const slot = selected ? site.slots[selected] : undefined;
  return (
    <>
      <SiteSummary site={site} />
      <div className="columns">
        <div className="column">
          <PlanPanel site={site} cameras={cameras} selected={selected} onSelect={select} />
          <CameraPanel site={site} cameras={cameras} selected={selected} onSelect={select} />
        </div>
        <div className="column column-side">
          {slot && (
            <SlotDetails
              key={slot.slot_id}
              slot={slot}
              zoneName={site.zones.find((zone) => zone.zone_id === slot.zone_id)?.name}
              cameras={cameras}
              vehicle={vehiclesOverSeveral(site.slots).get(slot.slot_id)}
              onClose={close}
            />
          )}
          <ChangeFeed changes={changes} onSelect={select} />
        </div>
      </div>
      <Announcer changes={changes} slots={site.slots} />
    </>
  );
}

/** Returns the focus to the element that opened the details, otherwise to the slot on the plan. */
function focusBack(opener: Element | null, slotId: string): void {
  const there = opener?.isConnected && opener !== document.body ? opener : slotElement(slotId);
  if (there instanceof HTMLElement || there instanceof SVGElement) there.focus({ preventScroll: true });
}

function slotElement(slotId: string): SVGElement | null {
  return document.querySelector(`[data-slot="${CSS.escape(slotId)}"]`);
}

/** On a phone the details cover the lower part of the page, so this scrolls the slot above them. */
function showAboveSheet(slotId: string): void {
  const box = slotElement(slotId)?.getBoundingClientRect();
  if (!box || !window.matchMedia("(max-width: 960px)").matches) return;
  if (box.bottom > window.innerHeight * 0.35) window.scrollBy({ top: box.top - 90 });
}
