import { memo, type Dispatch } from "react";

import { middleOf, pathOf, scaled } from "../../shared/geometry";
import { kindWord } from "../../shared/kinds";
import { say } from "../../shared/language";
import type { DrawnSlot } from "./drawing";
import type { Action } from "./editor";
import type { Size } from "./outlines";

interface Props {
  slot: DrawnSlot;
  size: Size;
  selected: boolean;
  /** More than one space is selected. Focus alone does not change the selection then. */
  several: boolean;
  faulty: boolean;
  dispatch: Dispatch<Action>;
}

function Outline({ slot, size, selected, several, faulty, dispatch }: Props) {
  const outline = scaled(slot.polygon, [size.width, size.height]);
  const [x, y] = middleOf(outline);
  const classes = [
    "slots-slot",
    selected && "slots-selected",
    faulty && "slots-faulty",
    !slot.enabled && "slots-off",
  ];
  return (
    <g
      className={classes.filter(Boolean).join(" ")}
      role="button"
      tabIndex={0}
      aria-pressed={selected}
      aria-label={slotWords(slot, faulty)}
      data-key={slot.key}
      data-drawn={slot.slot_id}
      onFocus={(event) => {
        // Only for the keyboard: the mouse has its own handler.
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

function slotWords({ slot_id, zone_id, kind, enabled, polygon }: DrawnSlot, faulty: boolean): string {
  const words = [
    say("details.title", { space: slot_id }),
    say("edit.zone", { zone: zone_id }),
    kindWord(kind),
    say("edit.corners", { count: polygon.length }),
  ];
  return [...words, enabled ? "" : say("edit.off"), faulty ? say("edit.hasFault") : ""]
    .filter(Boolean)
    .join(", ");
}
