import { useEffect, useRef, type Dispatch, type KeyboardEvent } from "react";
import { flushSync } from "react-dom";

import { pathOf, scaled } from "../../shared/geometry";
import { say } from "../../shared/language";
import type { Point } from "../../shared/views";
import type { Action, Editor } from "./editor";
import type { Faults } from "./faults";
import { actionOf, viewOf, type Corner, type View } from "./keyboard";
import type { Picture } from "./layout-commands";
import type { Outline, Size } from "./outlines";
import { seenAt, type Judged } from "./preview";
import { ProposalOutline } from "./proposal-outline";
import { rowOf } from "./rows";
import { CornerHandle, SlotOutline } from "./slot-outline";
import { partAt, useGestures } from "./use-gestures";
import type { useProposals } from "./use-proposals";
import { ALL, pan, viewBox, zoom, type Viewport } from "./viewport";

interface Props {
  editor: Editor;
  dispatch: Dispatch<Action>;
  picture: Picture;
  view: Viewport;
  onView: (view: Viewport) => void;
  faults: Faults;
  /** The number of spaces in the row being drawn, once it has four corners; else 0. */
  rowCount: number;
  proposing: Pick<ReturnType<typeof useProposals>, "open" | "selected" | "toggle">;
  judged: Judged;
}

/** The picture with all outlines. Mouse and keyboard can both do everything on it. */
export function Canvas(props: Props) {
  const { editor, dispatch, picture, view, onView, faults, rowCount, proposing, judged } = props;
  const svg = useRef<SVGSVGElement>(null);
  const gestures = useGestures(svg, editor, dispatch, picture, view, onView);
  const { tool, selected, placed } = editor;
  const { slots } = editor.history.now;
  const only = selected.size === 1 ? slots.find((slot) => selected.has(slot.key)) : undefined;

  useEffect(() => {
    if (tool !== "select") svg.current?.focus({ preventScroll: true });
  }, [tool, slots.length]);

  function onKeyDown(event: KeyboardEvent<SVGSVGElement>): void {
    const shown = event.ctrlKey || event.metaKey ? null : viewOf(event);
    if (shown) onView(moved(view, picture, shown));
    const corner = cornerAt(event.target, editor);
    const action = shown ? null : actionOf(event, tool, picture, corner, partAt(event.target).key);
    if (!shown && !action) return;
    event.preventDefault();
    if (action)
      flushSync(() => {
        dispatch(action);
      });
    // If the focused element was removed, the next key would be lost without a new focus.
    if (document.activeElement === document.body) svg.current?.focus({ preventScroll: true });
  }

  return (
    <svg
      ref={svg}
      className={`slots-canvas slots-${tool}`}
      viewBox={viewBox(view, picture)}
      role="group"
      aria-label={say("edit.canvas", { count: slots.length })}
      tabIndex={0}
      data-testid="slots-canvas"
      onKeyDown={onKeyDown}
      {...gestures}
    >
      <image href={picture.url} width={picture.width} height={picture.height} aria-hidden="true" />
      {proposing.open.map((one) => (
        <ProposalOutline
          key={one.slot_id}
          proposed={one}
          size={picture}
          selected={proposing.selected.includes(one)}
          onToggle={proposing.toggle}
        />
      ))}
      {slots.map((slot) => (
        <SlotOutline
          key={slot.key}
          slot={slot}
          size={picture}
          selected={selected.has(slot.key)}
          several={selected.size > 1}
          faulty={faults.has(slot.key)}
          seen={seenAt(judged, slot)}
          dispatch={dispatch}
        />
      ))}
      {tool === "select" &&
        only?.polygon.map((_, index) => (
          <CornerHandle key={index} slot={only} index={index} size={picture} />
        ))}
      {tool !== "select" && (
        <Placing placed={placed} cursor={editor.cursor} size={picture} row={rowOf(placed, rowCount)} />
      )}
    </svg>
  );
}

function Placing({
  placed,
  cursor,
  size,
  row,
}: {
  placed: Outline;
  cursor: Point;
  size: Size;
  row: Outline[];
}) {
  const inPixels = (points: readonly Point[]) => scaled(points, [size.width, size.height]);
  const [[x, y] = [0, 0]] = inPixels([cursor]);
  return (
    <g aria-hidden="true" className="slots-placing">
      {row.map((outline, i) => (
        <polygon key={i} className="slots-preview" points={pathOf(inPixels(outline))} />
      ))}
      <polyline points={pathOf(inPixels([...placed, ...(row.length ? [] : [cursor])]))} />
      {inPixels(placed).map((corner, i) => (
        <path
          key={i}
          className={i === 0 ? "slots-dot slots-first" : "slots-dot"}
          d={`M${corner.join(" ")}h0`}
        />
      ))}
      <path
        className="slots-cross"
        d={`M${x - size.width} ${y}H${x + size.width}M${x} ${y - size.height}V${y + size.height}`}
      />
    </g>
  );
}

function moved(view: Viewport, size: Size, change: View): Viewport {
  if (change.type === "fit") return ALL;
  return change.type === "zoom" ? zoom(view, size, change.by) : pan(view, size, change.step);
}

/** The corner in focus. */
function cornerAt(target: EventTarget, editor: Editor): Corner | null {
  const { key, index } = partAt(target);
  if (key === null || index === null) return null;
  const at = editor.history.now.slots.find((slot) => slot.key === key)?.polygon[index];
  return at ? { key, index, at } : null;
}
