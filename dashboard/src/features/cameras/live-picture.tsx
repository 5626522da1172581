import { useRef, useState } from "react";

import { duration } from "../../shared/format";
import { middleOf, pathOf } from "../../shared/geometry";
import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { StateSign } from "../../shared/state-mark";
import { useClockOffsetMs } from "../../shared/use-live";
import { useNow } from "../../shared/use-now";
import type { CameraSlot, CameraView, Point } from "../../shared/views";
import { useLivePicture } from "./use-live-picture";
import { useVisible } from "./use-visible";

interface Props {
  camera: CameraView;
  slots: Site["slots"];
  selected: string | null;
  onSelect: (slotId: string) => void;
}

const DEFAULT_INTERVAL_MS = 5_000;
const STALE_MIN_MS = 3_000;
const HEIGHT = 900;

/** One camera's live picture with the slots' outlines. It loads only while visible and not paused. */
export function LivePicture({ camera, slots, selected, onSelect }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const visible = useVisible(frame);
  const [paused, setPaused] = useState(false);
  const { canvas, timeMs, aspect, fault } = useLivePicture(
    camera.camera_id,
    visible && !paused,
    useClockOffsetMs(),
  );
  const now = useNow();
  const age = timeMs === null ? null : now - timeMs;
  const limit = Math.max(STALE_MIN_MS, 3 * (camera.interval_ms ?? DEFAULT_INTERVAL_MS));
  const stale = age !== null && age > limit && !paused;
  const width = HEIGHT * aspect;

  return (
    <div className={`picture${stale ? " picture-stale" : ""}`} ref={frame}>
      <canvas ref={canvas} aria-label={say("picture.of", { camera: camera.name })} role="img" />
      {timeMs === null && (
        <p className="picture-wait">{fault ? say("picture.fault", { fault }) : say("picture.waiting")}</p>
      )}
      {timeMs !== null && (
        <svg className="picture-overlay" viewBox={`0 0 ${width} ${HEIGHT}`} aria-hidden="true">
          {(camera.blurred ?? []).map(([left = 0, top = 0, right = 0, bottom = 0]) => (
            <rect
              key={`${left} ${top}`}
              className="picture-blurred"
              data-testid="blurred"
              x={left * width}
              y={top * HEIGHT}
              width={(right - left) * width}
              height={(bottom - top) * HEIGHT}
            />
          ))}
          {camera.slots.map((slot) => (
            <Outline
              key={slot.slot_id}
              slot={slot}
              width={width}
              state={slots[slot.slot_id]?.state ?? "unknown"}
              selected={slot.slot_id === selected}
              onSelect={onSelect}
            />
          ))}
        </svg>
      )}
      <div className="picture-bar">
        <Badge age={age} stale={stale} paused={paused} />
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            setPaused(!paused);
          }}
        >
          {say(paused ? "picture.play" : "picture.pause")}
        </button>
      </div>
    </div>
  );
}

function Badge({ age, stale, paused }: { age: number | null; stale: boolean; paused: boolean }) {
  if (age === null) return <span />;
  if (paused) return <span className="badge">{say("picture.paused", { age: duration(age) })}</span>;
  if (stale) return <span className="badge badge-stale">{say("picture.stale", { age: duration(age) })}</span>;
  return <span className="badge badge-live">{say("picture.live")}</span>;
}

function Outline({
  slot,
  width,
  state,
  selected,
  onSelect,
}: {
  slot: CameraSlot;
  width: number;
  state: Parameters<typeof StateSign>[0]["state"];
  selected: boolean;
  onSelect: (slotId: string) => void;
}) {
  const outline = slot.polygon.map(([x, y]): Point => [x * width, y * HEIGHT]);
  const [x, y] = middleOf(outline);
  return (
    <g
      className={`outline outline-${state}${selected ? " outline-selected" : ""}`}
      onClick={() => {
        onSelect(slot.slot_id);
      }}
    >
      <polygon points={pathOf(outline)} />
      <g transform={`translate(${x} ${y}) scale(1.7)`}>
        <circle r="9.5" className="outline-disc" />
        <StateSign state={state} />
      </g>
    </g>
  );
}
