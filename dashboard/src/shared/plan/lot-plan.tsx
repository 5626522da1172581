import { useMemo, useState, type KeyboardEvent } from "react";

import type { Box } from "../geometry";
import { say } from "../language";
import type { Drawing } from "./drawings";
import { neighbour } from "./neighbours";
import { SlotShape } from "./slot-shape";

export interface LotPlanProps {
  drawing: Drawing;
  name: string;
  /** The slots with old evidence, each with its age in words. */
  old: ReadonlyMap<string, string>;
  /** The slots under a vehicle that stands over several, each with the words for it. */
  vehicles: ReadonlyMap<string, string>;
  selected: string | null;
  onSelect: (slotId: string) => void;
  /** Called with the slot under the pointer or in focus. */
  onPoint: (slotId: string | null) => void;
}

/** The least width of a slot for a finger; a wider lot scrolls inside its frame. */
const TOUCH_PX = 28;
const WIDTH_MAX_PX = 2400;

/** The slots of a drawing, as one tab stop: arrows, Home and End move, Enter opens the details. */
export function LotPlan({ drawing, name, old, vehicles, selected, onSelect, onPoint }: LotPlanProps) {
  const { shapes, box, labels, metre } = drawing;
  const [focused, setFocused] = useState(0);
  const current = Math.min(focused, shapes.length - 1);
  const minWidth = useMemo(() => leastWidth(drawing), [drawing]);

  function move(event: KeyboardEvent<SVGSVGElement>): void {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const shape = shapes[current];
      if (shape) onSelect(shape.slot.slot_id);
      return;
    }
    const centres = shapes.map((shape) => shape.frame.centre);
    const next = neighbour(centres, current, event.key);
    if (next === current) return;
    event.preventDefault();
    setFocused(next);
    slotElement(event.currentTarget, shapes[next]?.slot.slot_id)?.focus();
  }

  return (
    <div className="plan-frame">
      <svg
        className="plan"
        viewBox={`${box.left} ${box.top} ${box.right - box.left} ${box.bottom - box.top}`}
        style={{ minWidth }}
        role="group"
        aria-label={say("plan.label", { title: drawing.title ?? say("plan.of", { name }) })}
        onKeyDown={move}
        onFocus={(event) => {
          const slotId = slotOf(event.target);
          const index = shapes.findIndex((shape) => shape.slot.slot_id === slotId);
          if (index >= 0) setFocused(index);
          onPoint(slotId);
        }}
        onBlur={() => {
          onPoint(null);
        }}
        onPointerOver={(event) => {
          onPoint(slotOf(event.target));
        }}
        onPointerLeave={() => {
          onPoint(null);
        }}
        onClick={(event) => {
          const slotId = slotOf(event.target);
          if (slotId) onSelect(slotId);
        }}
      >
        {labels.map((label) => (
          <text key={label.zone_id} x={label.at[0]} y={label.at[1]} className="zone-label">
            {label.name}
          </text>
        ))}
        {shapes.map((shape, index) => (
          <SlotShape
            key={shape.slot.slot_id}
            shape={shape}
            old={old.get(shape.slot.slot_id) ?? null}
            vehicle={vehicles.get(shape.slot.slot_id) ?? null}
            selected={shape.slot.slot_id === selected}
            inTabOrder={index === current}
          />
        ))}
        {metre !== null && <Scale box={box} metre={metre} />}
      </svg>
    </div>
  );
}

/** The scale bar: ten metres. */
function Scale({ box, metre }: { box: Box; metre: number }) {
  const y = box.bottom - 10;
  const right = box.right - 20;
  return (
    <g className="plan-scale" aria-hidden="true">
      <path d={`M${right - 10 * metre} ${y - 5}v5H${right}v-5`} />
      <text x={right - 5 * metre} y={y - 6}>
        10 m
      </text>
    </g>
  );
}

function leastWidth({ shapes, box }: Drawing): number {
  const breadths = shapes.map((shape) => shape.frame.breadth).sort((a, b) => a - b);
  const median = breadths[breadths.length >> 1] ?? 1;
  return Math.min(WIDTH_MAX_PX, Math.round(((box.right - box.left) * TOUCH_PX) / median));
}

function slotOf(target: EventTarget): string | null {
  const element = target instanceof Element ? target.closest("[data-slot]") : null;
  return element?.getAttribute("data-slot") ?? null;
}

function slotElement(within: Element, slotId: string | undefined): SVGElement | null {
  return slotId ? within.querySelector(`[data-slot="${CSS.escape(slotId)}"]`) : null;
}
