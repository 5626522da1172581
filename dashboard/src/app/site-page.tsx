import { useCallback, useEffect, useRef, useState } from "react";

import { CameraPanel } from "../features/cameras/camera-panel";
import { Announcer } from "../features/changes/announcer";
import { ChangeFeed } from "../features/changes/change-feed";
import { SlotDetails } from "../features/details/slot-details";
import { DevicesPanel } from "../features/devices/devices-panel";
import { PlanPanel } from "../features/plan/plan-panel";
import { SiteSummary } from "../features/summary/site-summary";
import { useCameras, useChanges, useSite } from "../shared/use-live";

/** One lot: what is free, where, how we know, and what happened last. */
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
              onClose={close}
            />
          )}
          <ChangeFeed changes={changes} onSelect={select} />
        </div>
      </div>
      <DevicesPanel siteId={siteId} />
      <Announcer changes={changes} slots={site.slots} />
    </>
  );
}

/** To where the reader was: what opened the details, else the slot on the plan. */
function focusBack(opener: Element | null, slotId: string): void {
  const there = opener?.isConnected && opener !== document.body ? opener : slotElement(slotId);
  if (there instanceof HTMLElement || there instanceof SVGElement) there.focus({ preventScroll: true });
}

function slotElement(slotId: string): SVGElement | null {
  return document.querySelector(`[data-slot="${CSS.escape(slotId)}"]`);
}

/** On a phone the details rise from below: the slot must not lie under them. */
function showAboveSheet(slotId: string): void {
  const box = slotElement(slotId)?.getBoundingClientRect();
  if (!box || !window.matchMedia("(max-width: 960px)").matches) return;
  if (box.bottom > window.innerHeight * 0.35) window.scrollBy({ top: box.top - 90 });
}
