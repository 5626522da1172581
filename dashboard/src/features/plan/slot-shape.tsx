import { memo } from "react";

import { pathOf } from "../../shared/geometry";
import { STATE_WORDS } from "../../shared/slot-states";
import type { Shape } from "./drawings";

interface Props {
  shape: Shape;
  /** Its age in words, where nobody has seen it lately. */
  old: string | null;
  selected: boolean;
  /** Only one slot of a drawing is in the tab order; the arrow keys lead on from it. */
  inTabOrder: boolean;
}

/** A slot on the plan. Each state has a colour, an outline and a sign of its own; an old one is paler,
    under stripes. */
export const SlotShape = memo(function SlotShape({ shape, old, selected, inTabOrder }: Props) {
  const { slot, outline, frame } = shape;
  const { slot_id, state } = slot;
  const [x, y] = frame.centre;
  // As wide as a car's roof, so that all labels of a plan are of one size.
  const size = Math.min(frame.breadth * 0.4, (0.98 * frame.breadth) / Math.max(2, slot_id.length));
  return (
    <g
      role="button"
      tabIndex={inTabOrder ? 0 : -1}
      className={`slot slot-${state}${old ? " slot-old" : ""}${selected ? " slot-selected" : ""}`}
      data-slot={slot_id}
      data-state={state}
      aria-pressed={selected}
      aria-label={`${slot_id}: ${STATE_WORDS[state]}${KIND_WORDS[slot.kind]}${old ? `, ${old}` : ""}`}
    >
      <polygon points={pathOf(outline)} className="slot-ground" />
      {state === "closed" && <polygon points={pathOf(outline)} fill="url(#closed-hatch)" />}
      {state === "occupied" && <Car {...frame} />}
      {old && <polygon points={pathOf(outline)} fill="url(#old-stripes)" className="slot-stripes" />}
      {state === "unknown" && (
        <text x={x} y={y} fontSize={size * 1.25} className="slot-sign" dy="-.12em">
          ?
        </text>
      )}
      <text
        x={x}
        y={y}
        dy={state === "unknown" ? "1.15em" : ".35em"}
        fontSize={state === "unknown" ? size * 0.8 : size}
        className="slot-label"
      >
        {slot_id}
      </text>
      {slot.kind !== "standard" && <KindSign {...frame} kind={slot.kind} />}
    </g>
  );
});

const KIND_WORDS = {
  standard: "",
  accessible: ", accessible",
  ev: ", with a charger",
  motorcycle: ", for motorcycles",
};

/** From above, in a frame of 1 by 1 that is stretched to the slot. */
function Car({ centre: [x, y], angleDeg, length, breadth }: Shape["frame"]) {
  const place = `translate(${x} ${y}) rotate(${angleDeg}) scale(${length * 0.84} ${breadth * 0.7})`;
  return (
    <g transform={place} className="car">
      <rect x="-.5" y="-.5" width="1" height="1" rx=".13" ry=".26" className="car-body" />
      <path d="M-.25-.36Q-.3 0-.25.36L-.15.31V-.31z" className="car-glass" />
      <path d="M.32-.34Q.36 0 .32.34L.24.3V-.3z" className="car-glass" />
    </g>
  );
}

/** Signs in a square of 16 by 16. */
const KIND_PATHS = {
  accessible: "M-1.5-6.200v.100M-1.5-3.500v4h4l2 4.500M-1.5-1h3.500M-3.3-.200a3.7 3.7 0 1 0 5 4.6",
  ev: "M1.5-6.500L-3.5 1H0l-1.5 5.500L3.5-1.500H0z",
  motorcycle: "M-4.5 5v-9l4.5 5.500L4.5-4v9",
};

/** At the end of the slot that is higher up, on a disc, so that a car does not hide it. */
function KindSign({
  centre: [x, y],
  angleDeg,
  length,
  breadth,
  kind,
}: Shape["frame"] & { kind: keyof typeof KIND_PATHS }) {
  const angle = (angleDeg * Math.PI) / 180;
  const reach = (length / 2 - breadth * 0.24) * (Math.sin(angle) < 0 ? 1 : -1);
  const place = `translate(${x + reach * Math.cos(angle)} ${y + reach * Math.sin(angle)})`;
  return (
    <g transform={`${place} scale(${breadth * 0.022})`} className="slot-kind" aria-hidden="true">
      <circle r="9.5" />
      <path d={KIND_PATHS[kind]} />
    </g>
  );
}
