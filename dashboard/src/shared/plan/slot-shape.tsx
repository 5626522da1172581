import { memo } from "react";

import { pathOf } from "../geometry";
import { kindWord } from "../kinds";
import { stateWord } from "../slot-states";
import type { Shape } from "./drawings";

interface Props {
  shape: Shape;
  /** The age of its evidence in words, if it is old; else null. */
  old: string | null;
  /** Describes the vehicle if it also stands over other slots. */
  vehicle?: string | null;
  selected: boolean;
  /** Only one slot of a drawing is in the tab order; the arrow keys reach the others. */
  inTabOrder: boolean;
}

/** A slot on the plan. Each state has its own colour, outline and sign. An old slot is paler and
    striped. One under a vehicle that stands over several has a double arrow. */
export const SlotShape = memo(function SlotShape({ shape, old, vehicle, selected, inTabOrder }: Props) {
  const { slot, outline, frame } = shape;
  const { slot_id, state } = slot;
  const kind = slot.kind === "standard" ? "" : kindWord(slot.kind);
  const [x, y] = frame.centre;
  // As wide as a car's roof, so that all labels of a plan have the same size.
  const size = Math.min(frame.breadth * 0.4, (0.98 * frame.breadth) / Math.max(2, slot_id.length));
  return (
    <g
      role="button"
      tabIndex={inTabOrder ? 0 : -1}
      className={`slot slot-${state}${old ? " slot-old" : ""}${selected ? " slot-selected" : ""}`}
      data-slot={slot_id}
      data-state={state}
      aria-pressed={selected}
      aria-label={`${slot_id}: ${[stateWord(state), vehicle, kind, old].filter(Boolean).join(", ")}`}
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
      <Signs frame={frame} slotKind={slot.kind} several={Boolean(vehicle)} />
    </g>
  );
});

/** A car from above: drawn in a frame of 1 by 1, stretched to the slot. */
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

/** A double arrow: one vehicle across several slots. */
const SEVERAL_PATH = "M-6 0H6M-3-3L-6 0L-3 3M3-3L6 0L3 3";

/** The signs of the slot's kind and of a vehicle over several slots. */
function Signs({ frame, slotKind, several }: SignsProps) {
  return (
    <>
      {slotKind !== "standard" && <Sign {...frame} path={KIND_PATHS[slotKind]} end={1} />}
      {several && <Sign {...frame} path={SEVERAL_PATH} end={-1} />}
    </>
  );
}

interface SignsProps {
  frame: Shape["frame"];
  slotKind: Shape["slot"]["kind"];
  several: boolean;
}

/** A sign on a disc at the upper (1) or lower (-1) end of the slot, where a car does not hide it. */
function Sign({
  centre: [x, y],
  angleDeg,
  length,
  breadth,
  path,
  end,
}: Shape["frame"] & { path: string; end: 1 | -1 }) {
  const angle = (angleDeg * Math.PI) / 180;
  const reach = (length / 2 - breadth * 0.24) * (Math.sin(angle) < 0 ? end : -end);
  const place = `translate(${x + reach * Math.cos(angle)} ${y + reach * Math.sin(angle)})`;
  return (
    <g transform={`${place} scale(${breadth * 0.022})`} className="slot-kind" aria-hidden="true">
      <circle r="9.5" />
      <path d={path} />
    </g>
  );
}
