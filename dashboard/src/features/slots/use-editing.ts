import { useMemo, useReducer, useState } from "react";

import { ApiError } from "../../shared/api";
import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { loadLayout } from "../../shared/layout-requests";
import { judgeAgain, STILL_INTERVAL_MS } from "../../shared/still-pictures";
import { stream } from "../../stream";
import { storedDraft, type Draft } from "./draft";
import { drawingOf, EMPTY, type Drawing } from "./drawing";
import { newEditor, reduce, type Editor } from "./editor";
import { faultsAt, faultsOf, merged } from "./faults";
import { publish, type Terms } from "./layout-commands";
import { useDraft } from "./use-draft";

/** The layout to replace, its drawing and its version. Version 0 means that there is none. */
interface Base {
  layout: LayoutPublished | null;
  drawing: Drawing;
  version: number;
}

function baseOf(layout: LayoutPublished | null): Base {
  return { layout, drawing: layout ? drawingOf(layout) : EMPTY, version: layout?.version ?? 0 };
}

/** The measured interval of a camera, if known, rounded to a tenth of a second. */
function seenPace(cameraId: string, still: Blob | undefined): Partial<Terms> {
  if (still) return { interval_ms: STILL_INTERVAL_MS };
  const every_ms = stream.getState().live.sightings[cameraId]?.analysed_every_ms;
  return every_ms ? { interval_ms: Math.max(100, Math.round(every_ms / 100) * 100) } : {};
}

/** What the server found wrong with a drawing. */
interface Refusal {
  drawing: Drawing;
  words: readonly string[];
}

/** Starts with the drawing in force, so that undo leads from a restored draft back to it. */
function startOf(base: Base, draft: Draft | null): Editor {
  const editor = newEditor(base.drawing);
  if (!draft) return editor;
  return reduce(editor, { type: "replace", drawing: draft.drawing, message: say("edit.restored") });
}

/** The state of the editing: the drawing, the version it is based on, conflicts and faults. `still`: the
 * picture, if somebody uploaded it. */
export function useEditing(cameraId: string, layout: LayoutPublished | null, proposed: Terms, still?: Blob) {
  const [draft] = useState(() => storedDraft(cameraId));
  const [base, setBase] = useState(() => ({
    ...baseOf(layout),
    version: draft?.base ?? layout?.version ?? 0,
  }));
  const [editor, dispatch] = useReducer(reduce, draft, (found) => startOf(base, found));
  const [conflict, setConflict] = useState<Base | null>(() => {
    const there = baseOf(layout);
    return there.version === base.version ? null : there;
  });
  const [published, setPublished] = useState<number | null>(null);
  const [unjudged, setUnjudged] = useState("");
  const [refused, setRefused] = useState<Refusal | null>(null);
  const [terms, setTerms] = useState(() => ({ ...proposed, ...seenPace(cameraId, still) }));
  const now = editor.history.now;
  const unpublished = now !== base.drawing;
  const kept = useDraft(cameraId, unpublished ? { base: base.version, drawing: now } : null);
  const order = { cameraId, before: base.layout, expected: base.version, terms, drawing: now };
  const faults = useMemo(() => {
    // The server's faults apply to what was sent, not to what was changed since.
    const words = refused?.drawing === now ? refused.words : [];
    return merged(faultsOf(now), faultsAt(now, words));
  }, [now, refused]);

  /** Reads the layout in force: the version just published becomes the base, any other one is a conflict.
   * Returns the error if it cannot be read; the next publication then meets the conflict. */
  async function meet(version: number | null): Promise<ApiError | null> {
    const found = await loadLayout(cameraId).catch(onlyApiError);
    if (found instanceof ApiError) return version === null ? found : unread(version, found);
    if (version !== null && found?.version === version) {
      setBase({ layout: found, drawing: now, version });
      setPublished(version);
    } else setConflict(baseOf(found));
    return null;
  }

  /** Publishes the drawing. Returns the error, except for a conflict: that is shown with both versions. */
  async function send(reference: boolean): Promise<ApiError | null> {
    setPublished(null);
    setRefused(null);
    const answer = await publish({ ...order, reference });
    if (typeof answer === "number") {
      if (still) void judge(answer, still);
      return meet(answer);
    }
    if (answer.status === 412) return meet(null);
    setRefused({ drawing: now, words: answer.faults });
    return answer;
  }

  async function judge(version: number, jpeg: Blob): Promise<void> {
    setUnjudged("");
    const error = await judgeAgain(cameraId, version, jpeg);
    if (error) setUnjudged(say("edit.unjudged", { fault: error.message }));
  }

  function settle(answer: "keep" | "take"): void {
    if (!conflict) return;
    setBase(conflict);
    setConflict(null);
    setPublished(null);
    const message = say("edit.theirs");
    if (answer === "take") dispatch({ type: "replace", drawing: conflict.drawing, message });
  }

  return {
    editor,
    dispatch,
    conflict,
    published,
    unpublished,
    /** The reason why an uploaded picture was not judged with the published spaces, or "" if it
     * was. */
    unjudged,
    kept,
    order,
    faults,
    setTerms,
    send,
    settle,
  };
}

function onlyApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  throw error;
}

function unread(version: number, { status, message }: ApiError): ApiError {
  return new ApiError(status, say("edit.unread", { version: String(version), fault: message }));
}
