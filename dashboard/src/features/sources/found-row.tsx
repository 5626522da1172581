import { useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { listStreams } from "./source-commands";
import { loginOf, type Draft, type FoundCamera, type Kind, type StreamProfile } from "./source-draft";

interface Props {
  camera: FoundCamera;
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** One found camera, and its streams once it was asked for them with the form's login. */
export function FoundRow({ camera, draft, onDraft }: Props) {
  const [streams, setStreams] = useState<readonly StreamProfile[] | null>(null);
  const name = camera.model ? `${camera.model}, ${camera.address}` : camera.address;
  return (
    <li className="sources-row">
      <strong>{name}</strong>
      <OperatorForm
        className="access"
        action={say("find.streams", { address: camera.address })}
        send={() => listStreams(draft.site, { service: camera.service, login: loginOf(draft) }, setStreams)}
        sent={streams?.length === 0 ? say("find.noStreams") : ""}
      />
      <ul
        className="sources-streams"
        aria-label={say("find.streamsOf", { address: camera.address })}
        hidden={!streams?.length}
      >
        {streams?.map((stream) => (
          <li key={stream.name + stream.stream}>
            <span>
              {stream.name}
              <span className="small muted">{factsOf(stream)}</span>
            </span>
            <Use kind="rtsp" url={stream.stream} of={stream.name} draft={draft} onDraft={onDraft} />
            <Use kind="snapshot" url={stream.snapshot} of={stream.name} draft={draft} onDraft={onDraft} />
          </li>
        ))}
      </ul>
    </li>
  );
}

interface UseProps extends Omit<Props, "camera"> {
  kind: Kind;
  url: string;
  of: string;
}

function Use({ kind, url, of, draft, onDraft }: UseProps) {
  if (!url) return null;
  const words = say(kind === "rtsp" ? "find.useVideo" : "find.usePictures");
  return (
    <button
      type="button"
      className="button button-small"
      aria-label={`${words}: ${of}`}
      onClick={() => {
        onDraft({ ...draft, url, kind });
      }}
    >
      {words}
    </button>
  );
}

function factsOf({ codec, width, height, rate, stream, snapshot }: StreamProfile): string {
  const size = width ? `${width} x ${height}` : "";
  const pace = rate ? say("find.rate", { count: rate }) : "";
  return [codec, size, pace, stream || snapshot].filter(Boolean).join(", ");
}
