import { useCallback, useState, type Dispatch } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { useRequest } from "../../shared/use-request";
import { drawingOf, type Drawing } from "./drawing";
import type { Action } from "./editor";
import { differenceWords, loadVersion, loadVersions, versionPath, versionWords } from "./versions";

interface Props {
  cameraId: string;
  drawing: Drawing;
  /** The version just published; null: none. It makes the list load again. */
  published: number | null;
  dispatch: Dispatch<Action>;
}

/** Shows earlier versions, compares one with the drawing, and takes it over into the drawing. */
export function VersionsPanel(props: Props) {
  const [open, setOpen] = useState(false);
  return (
    <section className="card slots-form" aria-labelledby="versions-title">
      <h2 id="versions-title">{say("versions.title")}</h2>
      {open ? (
        <Choice {...props} />
      ) : (
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            setOpen(true);
          }}
        >
          {say("versions.compare")}
        </button>
      )}
    </section>
  );
}

function Choice({ cameraId, drawing, published, dispatch }: Props) {
  const [chosen, setChosen] = useState(0);
  const [now_ms] = useState(() => Date.now());
  const load = useCallback((_: string, signal: AbortSignal) => loadVersions(cameraId, signal), [cameraId]);
  const { answer } = useRequest(`${cameraId} ${published ?? 0}`, load);
  if (answer.state === "failed") return <Fault words={answer.message} />;
  if (answer.state === "loading") return <p className="muted">{say("loading")}</p>;
  if (!answer.value.length) return <p className="muted">{say("versions.none")}</p>;
  return (
    <>
      <label className="field">
        {say("versions.one")}
        <select
          value={chosen}
          onChange={(event) => {
            setChosen(Number(event.target.value));
          }}
        >
          <option value={0}>{say("versions.choose")}</option>
          {answer.value.map((one) => (
            <option key={one.version} value={one.version}>
              {versionWords(one, now_ms)}
            </option>
          ))}
        </select>
      </label>
      {chosen > 0 && (
        <Comparison cameraId={cameraId} version={chosen} drawing={drawing} dispatch={dispatch} />
      )}
    </>
  );
}

function Comparison({
  cameraId,
  version,
  drawing,
  dispatch,
}: Pick<Props, "cameraId" | "drawing" | "dispatch"> & { version: number }) {
  const { answer } = useRequest(versionPath(cameraId, version), loadVersion);
  if (answer.state === "failed") return <Fault words={answer.message} />;
  if (answer.state === "loading") return <p className="muted">{say("loading")}</p>;
  const there = drawingOf(answer.value);
  const lines = differenceWords(drawing, there);
  return (
    <>
      <div role="status" className="small">
        {lines.length ? lines.map((line) => <p key={line}>{line}</p>) : say("versions.same")}
      </div>
      <button
        type="button"
        className="button"
        aria-disabled={!lines.length}
        onClick={() => {
          if (lines.length)
            dispatch({
              type: "replace",
              drawing: there,
              message: say("versions.shown", { version: String(version) }),
            });
        }}
      >
        {say("versions.take", { version: String(version) })}
      </button>
      <p className="small muted">{say("versions.hint")}</p>
    </>
  );
}
