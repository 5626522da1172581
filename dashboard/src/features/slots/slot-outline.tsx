import { memo, type Dispatch } from "react";

import { middleOf, pathOf, scaled } from "../../shared/geometry";
import { kindWord } from "../../shared/kinds";
import { say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import type { DrawnSlot } from "./drawing";
import type { Action } from "./editor";
import type { Size } from "./outlines";
import type { Seen } from "./preview";

interface Props {
  slot: DrawnSlot;
  size: Size;
  selected: boolean;
  /** More than one space is selected. Focus alone does not change the selection then. */
  several: boolean;
  faulty: boolean;
  /** The detector's result for it, or null without one. */
  seen: Seen | null;
  dispatch: Dispatch<Action>;
}

function Outline({ slot, size, selected, several, faulty, seen, dispatch }: Props) {
  const outline = scaled(slot.polygon, [size.width, size.height]);
  const [x, y] = middleOf(outline);
  const classes = [
    "slots-slot",
    selected && "slots-selected",
    faulty && "slots-faulty",
    !slot.enabled && "slots-off",
    seen && `slots-seen slots-seen-${seen}`,
  ];
  return (
    <g
      className={classes.filter(Boolean).join(" ")}
      role="button"
      tabIndex={0}
      aria-pressed={selected}
      aria-label={slotWords(slot, faulty, seen)}
      data-key={slot.key}
      data-drawn={slot.slot_id}
      onFocus={(event) => {
        // Only for the keyboard, because the mouse has its own handler.
        if (!several && event.target === event.currentTarget && event.target.matches(":focus-visible")) {
          dispatch({ type: "select", key: slot.key, extend: false });
        }
      }}
    >
      <polygon points={pathOf(outline)} />
      <text x={x} y={y} fontSize={size.width / 70} aria-hidden="true">
        {slot.slot_id}
      </text>
    </g>
  );
}

/** Memoised, so that moving one outline does not render a thousand others. */
export const SlotOutline = memo(Outline);

export function CornerHandle({ slot, index, size }: { slot: DrawnSlot; index: number; size: Size }) {
  const [x, y] = slot.polygon[index] ?? [0, 0];
  return (
    <path
      className="slots-dot slots-corner"
      d={`M${x * size.width} ${y * size.height}h0`}
      role="button"
      tabIndex={0}
      aria-label={say("edit.corner", { corner: index + 1, space: slot.slot_id })}
      data-key={slot.key}
      data-corner={index}
    />
  );
}

function slotWords(
  { slot_id, zone_id, kind, enabled, polygon }: DrawnSlot,
  faulty: boolean,
  seen: Seen | null,
): string {
  const words = [
    say("details.title", { space: slot_id }),
    say("edit.zone", { zone: zone_id }),
    kindWord(kind),
    say("edit.corners", { count: polygon.length }),
    enabled ? "" : say("edit.off"),
    faulty ? say("edit.hasFault") : "",
    seen ? say("edit.detector", { state: stateWord(seen) }) : "",
  ];
  return words.filter(Boolean).join(", ");
}
