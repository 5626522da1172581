import { useEffect, useRef, useState, type RefObject } from "react";

import { fetchApi } from "../../shared/api";
import { say } from "../../shared/language";
import { MultipartReader } from "./multipart";

export interface Picture {
  canvas: RefObject<HTMLCanvasElement | null>;
  /** When the shown picture was taken; null before the first. */
  timeMs: number | null;
  aspect: number;
  fault: string | null;
}

const RETRY_MS = 3_000;
const DEFAULT_ASPECT = 16 / 9;

/**
 * Draws the camera's pictures on a canvas while `running`. It uses fetch instead of an <img>, because an
 * <img> reports neither the age of its picture nor the end of its stream, and keeps its connection.
 */
export function useLivePicture(cameraId: string, running: boolean, clockOffsetMs: number): Picture {
  const canvas = useRef<HTMLCanvasElement | null>(null);
  const offset = useRef(clockOffsetMs);
  const [timeMs, setTimeMs] = useState<number | null>(null);
  const [aspect, setAspect] = useState(DEFAULT_ASPECT);
  const [fault, setFault] = useState<string | null>(null);

  useEffect(() => {
    offset.current = clockOffsetMs;
  }, [clockOffsetMs]);

  useEffect(() => {
    if (!running) return;
    const abort = new AbortController();
    let timer = 0;

    async function show(jpeg: Uint8Array<ArrayBuffer>, time: number | null): Promise<void> {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      const target = canvas.current;
      if (target && !abort.signal.aborted) {
        target.width = bitmap.width;
        target.height = bitmap.height;
        target.getContext("2d")?.drawImage(bitmap, 0, 0);
        setAspect(bitmap.width / bitmap.height);
        setTimeMs(time ?? Date.now() + offset.current);
        setFault(null);
      }
      bitmap.close();
    }

    async function read(): Promise<void> {
      const path = `/api/stream?camera=${encodeURIComponent(cameraId)}`;
      const response = await fetchApi(path, { signal: abort.signal });
      if (!response.ok || !response.body)
        throw new Error(say("picture.status", { status: String(response.status) }));
      const parts = new MultipartReader();
      const reader = response.body.getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        // Decode only the newest picture that has arrived.
        const newest = parts.push(next.value).at(-1);
        if (newest) await show(newest.jpeg, newest.timeMs);
      }
    }

    function run(): void {
      read()
        .catch((error: unknown) => {
          if (!abort.signal.aborted) setFault(error instanceof Error ? error.message : say("picture.none"));
        })
        .finally(() => {
          if (!abort.signal.aborted) timer = window.setTimeout(run, RETRY_MS);
        });
    }

    run();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [cameraId, running]);

  return { canvas, timeMs, aspect, fault };
}
