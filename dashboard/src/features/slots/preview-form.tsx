import { say } from "../../shared/language";
import type { usePreview } from "./use-preview";

/** Switches the preview on, and shows what the detector sees. */
export function PreviewForm({ previewing }: { previewing: ReturnType<typeof usePreview> }) {
  const { on, toggle, known, words, fault } = previewing;
  if (!known) return null;
  return (
    <section className="card slots-form" aria-labelledby="preview-title">
      <h2 id="preview-title">{say("preview.title")}</h2>
      <label className="slots-check">
        <input type="checkbox" checked={on} onChange={toggle} />
        {say("preview.switch")}
      </label>
      <p className={fault ? "small fault" : "small"} role="status" data-testid="preview-words">
        {on ? words : ""}
      </p>
    </section>
  );
}
