import { memo, useState } from "react";

import { busyWords } from "../../shared/ages";
import { ago, pace } from "../../shared/format";
import { say } from "../../shared/language";
import { byNeed } from "../../shared/layouts";
import type { Site } from "../../shared/live";
import { slotsAddress } from "../../shared/routes";
import { reasonWords } from "../../shared/slot-words";
import { useNow, useSightings } from "../../shared/use-now";
import type { CameraStatus, CameraView } from "../../shared/views";
import { InputSizePanel } from "./input-size-panel";
import { LivePicture } from "./live-picture";
import { MovedPanel } from "./moved-panel";
import "./cameras.css";

interface Props {
  site: Site;
  cameras: readonly CameraView[];
  selected: string | null;
  onSelect: (slotId: string) => void;
}

/** One live picture at a time (browsers allow six connections per server), and every camera's health. */
export function CameraPanel({ site, cameras, selected, onSelect }: Props) {
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = cameras.find((camera) => camera.camera_id === chosen) ?? cameras[0];
  return (
    <section className="card cameras" aria-labelledby="cameras-title">
      <div className="card-head">
        <h2 id="cameras-title">{say("cameras.title")}</h2>
      </div>
      {!shown && <p className="empty muted">{say("cameras.none")}</p>}
      {shown && (
        <div className="cameras-body">
          <div>
            <LivePicture
              key={shown.camera_id}
              camera={shown}
              slots={site.slots}
              selected={selected}
              onSelect={onSelect}
            />
            <p className="camera-edit">
              <a className="button button-small" href={slotsAddress(shown.camera_id)}>
                {say(shown.layout_version > 0 ? "cameras.edit" : "cameras.draw")}
                <span className="visually-hidden">{say("cameras.which", { camera: shown.name })}</span>
              </a>
            </p>
            {shown.health === "moved" && <MovedPanel key={`${shown.camera_id} moved`} camera={shown} />}
            <InputSizePanel camera={shown} />
          </div>
          <CameraList cameras={cameras} shownId={shown.camera_id} onShow={setChosen} />
        </div>
      )}
    </section>
  );
}

interface ListProps {
  cameras: readonly CameraView[];
  shownId: string;
  onShow: (cameraId: string) => void;
}

/** Does not render at each change of a slot. */
const CameraList = memo(function CameraList({ cameras, shownId, onShow }: ListProps) {
  return (
    <ul className="camera-list" data-testid="cameras">
      {byNeed(cameras).map((camera) => (
        <CameraItem
          key={camera.camera_id}
          camera={camera}
          shown={camera.camera_id === shownId}
          onShow={onShow}
        />
      ))}
    </ul>
  );
});

const CameraItem = memo(function CameraItem({
  camera,
  shown,
  onShow,
}: {
  camera: CameraView;
  shown: boolean;
  onShow: (cameraId: string) => void;
}) {
  return (
    <li>
      <button
        type="button"
        className={`camera camera-${camera.status}`}
        aria-pressed={shown}
        onClick={() => {
          onShow(camera.camera_id);
        }}
      >
        <StatusSign status={camera.status} />
        <span className="camera-words">
          <strong>{camera.name}</strong>
          <span className="small">{say(`status.${camera.status}`)}</span>
          <CameraNote camera={camera} />
        </span>
      </button>
    </li>
  );
});

/** A healthy camera's interval, or the reason of its status; the age of its last picture; and whether the
    computer is too busy for it. */
function CameraNote({ camera }: { camera: CameraView }) {
  const now = useNow();
  const seen = useSightings()[camera.camera_id];
  const last = seen?.last_frame_at_ms;
  const busy = busyWords(camera, seen);
  const usual = camera.interval_ms
    ? say("cameras.every", { pace: pace(camera.interval_ms) })
    : say("cameras.sending");
  const words = [
    camera.status === "online" ? usual : reasonWords(camera.reason),
    last ? say("cameras.last", { ago: ago(now - last) }) : "",
  ];
  return (
    <>
      <span className="small muted">{words.filter(Boolean).join("; ")}</span>
      {busy && <span className="small camera-busy">{busy}</span>}
    </>
  );
}

function StatusSign({ status }: { status: CameraStatus }) {
  return (
    <svg viewBox="0 0 20 20" width="20" height="20" className="status-sign" aria-hidden="true">
      {status === "online" && <path d="M4 10.5l4 4 8-9" />}
      {status === "degraded" && <path d="M10 4v7.5M10 15.5v.1" />}
      {status === "offline" && <path d="M5 5l10 10M15 5L5 15" />}
      {status === "no-layout" && <path d="M4 4h12v12H4zM8 4v12" />}
    </svg>
  );
}
