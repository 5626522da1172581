import { useEffect, useMemo, useRef, useState } from "react";

import { send, type ApiError } from "../../shared/api";
import { isKeyMissing, withKey } from "../../shared/api-key";
import { say } from "../../shared/language";
import type { Drawing } from "./drawing";
import type { Faults } from "./faults";
import {
  isJudged,
  judgeable,
  NOTHING,
  previewWords,
  REST_MS,
  retryAfterMs,
  STEP_MS,
  withAnswer,
  type Judged,
  type PreviewAnswer,
} from "./preview";

interface Answer {
  judged: Judged;
  health: string;
  fault: ApiError | null;
}

const NO_ANSWER: Answer = { judged: NOTHING, health: "ok", fault: null };

/** Asks the detector about the drawn spaces on the shown picture, while it is switched on. One request at a
 * time, once the drawing rests. */
export function usePreview(cameraId: string, offset: number | null, { slots }: Drawing, faults: Faults) {
  const [on, setOn] = useState(false);
  const [answer, setAnswer] = useState(NO_ANSWER);
  const [asking, setAsking] = useState(false);
  const [answers, setAnswers] = useState(0);
  const earliest = useRef(0);
  const asked = useMemo(() => judgeable(slots, faults), [slots, faults]);
  const done = !asked.length || isJudged(answer.judged, asked);
  const { fault } = answer;
  const stopped = fault !== null && retryAfterMs(fault) === null;

  useEffect(() => {
    if (!on || done || stopped || asking || offset === null || isKeyMissing()) return undefined;
    async function ask(): Promise<void> {
      setAsking(true);
      earliest.current = Date.now() + STEP_MS;
      const found: PreviewAnswer[] = [];
      const body = { frame_offset: offset, outlines: asked.map((slot) => slot.polygon) };
      const error = await withKey(async (key) => {
        found.push(await send<PreviewAnswer>("POST", `/api/cameras/${cameraId}/slot-preview`, body, key));
      });
      const [one] = found;
      if (error) earliest.current = Date.now() + (retryAfterMs(error) ?? 0);
      setAnswer((before) =>
        one
          ? { judged: withAnswer(asked, one), health: one.health.status, fault: null }
          : { ...before, fault: error },
      );
      setAsking(false);
      setAnswers((count) => count + 1);
    }
    const wait = Math.max(REST_MS, earliest.current - Date.now());
    const timer = window.setTimeout(() => void ask(), wait);
    return () => {
      window.clearTimeout(timer);
    };
  }, [on, done, stopped, asking, offset, asked, cameraId, answers]);

  function toggle(): void {
    setOn(!on);
    setAnswer(NO_ANSWER);
  }

  const words = fault?.message ?? previewWords(answer.judged, asked, answer.health);
  return {
    on,
    toggle,
    known: offset !== null,
    judged: on ? answer.judged : NOTHING,
    words: isKeyMissing() ? say("preview.needsKey") : words,
    fault: fault !== null,
  };
}
