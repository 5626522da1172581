import { useEffect, useRef, type Dispatch, type MouseEvent, type PointerEvent, type RefObject } from "react";

import type { Point } from "../../shared/views";
import { ofKeys } from "./drawing";
import type { Action, Editor } from "./editor";
import { beforeMerge } from "./history";
import { distancePx, edgeOf, MIN_CORNERS, nearestEdge, nearestOn, type Size } from "./outlines";
import { snap, snapStep } from "./snapping";
import { pan, zoom, type Viewport } from "./viewport";

const REACH_PX = 9;
const GRAB = { button: 0 };
const PAN = { button: 1 };

type Grab =
  | { what: "slots"; start: Point; merge: string }
  | { what: "corner"; key: number; index: number; merge: string }
  | { what: "picture"; x: number; y: number; moved: boolean };

/** Handles mouse and touch on the picture. */
export function useGestures(
  svg: RefObject<SVGSVGElement | null>,
  editor: Editor,
  dispatch: Dispatch<Action>,
  size: Size,
  view: Viewport,
  onView: (view: Viewport) => void,
) {
  const grab = useRef<Grab | null>(null);
  const grabs = useRef(0);
  useWheel(svg, size, view, onView);
  const { now } = editor.history;

  /** The snapping distance in pixels of the picture. */
  const reach = () => REACH_PX / onScreen(svg.current).a;
  const placeOf = (event: MouseEvent): Point => placeIn(svg.current, event, size);
  const others = (keys: ReadonlySet<number>) =>
    now.slots.filter((slot) => !keys.has(slot.key)).map((slot) => slot.polygon);
  const snapped = (event: MouseEvent, keys: ReadonlySet<number> = new Set()): Point =>
    event.altKey ? placeOf(event) : snap(placeOf(event), others(keys), size, reach());

  function take(event: PointerEvent, what: Grab): void {
    grab.current = what;
    svg.current?.setPointerCapture(event.pointerId);
  }

  function grabSlot(event: PointerEvent, key: number): void {
    const extend = event.shiftKey || event.ctrlKey || event.metaKey;
    if (extend || !editor.selected.has(key)) dispatch({ type: "select", key, extend });
    if (!extend) take(event, { what: "slots", start: placeOf(event), merge: `drag ${++grabs.current}` });
  }

  function onPointerDown(event: PointerEvent): void {
    // What was typed takes effect before the selection changes and the text field disappears.
    if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
    const picture: Grab = { what: "picture", x: event.clientX, y: event.clientY, moved: false };
    if (event.button === PAN.button) take(event, picture);
    if (event.button !== GRAB.button || editor.tool !== "select") return;
    const { key, index } = partAt(event.target);
    if (key === null) take(event, picture);
    else if (index === null) grabSlot(event, key);
    else take(event, { what: "corner", key, index, merge: `drag ${++grabs.current}` });
  }

  function onPointerMove(event: PointerEvent): void {
    const grabbed = grab.current;
    if (!grabbed) {
      if (editor.tool !== "select") dispatch({ type: "cursor-at", at: placeOf(event) });
      return;
    }
    if (grabbed.what === "slots") dragSlots(event, grabbed);
    else if (grabbed.what === "corner") {
      const { key, index, merge } = grabbed;
      dispatch({ type: "corner", key, index, to: snapped(event, new Set([key])), merge });
    } else dragPicture(event, grabbed);
  }

  function dragSlots(event: PointerEvent, { start, merge }: Extract<Grab, { what: "slots" }>): void {
    const [x, y] = placeOf(event);
    const step: Point = [x - start[0], y - start[1]];
    const from = beforeMerge(editor.history, merge);
    if (from === now && distancePx([x, y], start, size) < reach() / 3) return;
    const corners = ofKeys(from, editor.selected).flatMap((slot) => slot.polygon);
    const best = event.altKey ? step : snapStep(corners, step, others(editor.selected), size, reach());
    dispatch({ type: "drag", step: best, merge });
  }

  function dragPicture(event: PointerEvent, grabbed: Extract<Grab, { what: "picture" }>): void {
    const { a, d } = onScreen(svg.current);
    const [dx, dy] = [event.clientX - grabbed.x, event.clientY - grabbed.y];
    if (!grabbed.moved && Math.hypot(dx, dy) < 3) return;
    grab.current = { what: "picture", x: event.clientX, y: event.clientY, moved: true };
    onView(pan(view, size, [(-dx * view.scale) / (a * size.width), (-dy * view.scale) / (d * size.height)]));
  }

  function onPointerUp(): void {
    const grabbed = grab.current;
    grab.current = null;
    if (grabbed?.what === "picture" && !grabbed.moved && editor.tool === "select")
      dispatch({ type: "deselect" });
  }

  /** The browser took over the gesture, for example to scroll. */
  function onPointerCancel(): void {
    grab.current = null;
  }

  function onClick(event: MouseEvent): void {
    if (editor.tool === "select") return;
    const at = snapped(event);
    const [first] = editor.placed;
    const closes = first && editor.tool === "draw" && editor.placed.length >= MIN_CORNERS;
    if (closes && distancePx(placeOf(event), first, size) <= reach()) dispatch({ type: "close" });
    else dispatch({ type: "place", at });
  }

  /** Adds a corner on an edge, if exactly one space is selected. */
  function onDoubleClick(event: MouseEvent): void {
    const [slot, ...more] = ofKeys(now, editor.selected);
    if (!slot || more.length || editor.tool !== "select") return;
    const place = placeOf(event);
    const edge = nearestEdge(slot.polygon, place, size);
    const at = nearestOn(...edgeOf(slot.polygon, edge), place, size);
    if (distancePx(at, place, size) <= 1.5 * reach())
      dispatch({ type: "insert-corner", key: slot.key, edge, at });
  }

  return { onPointerDown, onPointerMove, onPointerUp, onPointerCancel, onClick, onDoubleClick };
}

/** How pixels of the picture lie on the screen: `a` and `d` are the scales along x and y, (`e`, `f`) is the
 * picture's corner. Includes the empty margins of a picture with another shape than its frame. */
function onScreen(svg: SVGSVGElement | null): Pick<DOMMatrix, "a" | "d" | "e" | "f"> {
  return svg?.getScreenCTM() ?? { a: 1, d: 1, e: 0, f: 0 };
}

/** Where the pointer is, in shares of the picture. */
function placeIn(
  svg: SVGSVGElement | null,
  { clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">,
  { width, height }: Size,
): Point {
  const { a, d, e, f } = onScreen(svg);
  return [(clientX - e) / (a * width), (clientY - f) / (d * height)];
}

/** Returns the space and the corner that an element draws, so that a thousand outlines can share
 * the handlers. */
export function partAt(target: EventTarget): { key: number | null; index: number | null } {
  const part = target instanceof Element ? target.closest<SVGElement>("[data-key]") : null;
  const { key, corner } = part?.dataset ?? {};
  return { key: key === undefined ? null : Number(key), index: corner === undefined ? null : Number(corner) };
}

/** Zooms with the wheel. React's wheel listeners are passive, so they could not stop the page from
 * scrolling. */
function useWheel(
  svg: RefObject<SVGSVGElement | null>,
  size: Size,
  view: Viewport,
  onView: (view: Viewport) => void,
): void {
  useEffect(() => {
    const element = svg.current;
    if (!element) return undefined;
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault();
      onView(zoom(view, size, Math.exp(-event.deltaY / 400), placeIn(element, event, size)));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      element.removeEventListener("wheel", onWheel);
    };
  }, [svg, size, view, onView]);
}
