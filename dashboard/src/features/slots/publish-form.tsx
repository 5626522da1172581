import { useState } from "react";

import type { ApiError } from "../../shared/api";
import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { GENERAL, type Faults } from "./faults";
import type { Order, Terms } from "./layout-commands";

interface Props {
  order: Omit<Order, "reference">;
  faults: Faults;
  unpublished: boolean;
  /** A conflict with somebody else's version must be resolved first. */
  blocked: boolean;
  /** The version just published, or null. */
  version: number | null;
  /** Somebody uploaded the picture. It is judged again, because no other one follows. */
  isStill: boolean;
  /** Why it was not; "" if it was. */
  unjudged: string;
  onTerms: (terms: Terms) => void;
  /** Publishes the layout, optionally with the newest picture as the reference. Returns the error,
   * if any. */
  onSend: (reference: boolean) => Promise<ApiError | null>;
}

export function PublishForm(props: Props) {
  const { order, faults, unpublished, blocked, version, isStill, unjudged, onTerms, onSend } = props;
  const [reference, setReference] = useState(true);
  const wrong = [...faults.keys()].filter((key) => key !== GENERAL).length;

  return (
    <section className="card slots-form" aria-labelledby="publish-title">
      <h2 id="publish-title">{say("publish")}</h2>
      {!order.before && <TermsFields terms={order.terms} onTerms={onTerms} />}
      <label className="slots-check">
        <input
          type="checkbox"
          checked={reference}
          onChange={(event) => {
            setReference(event.target.checked);
          }}
        />
        {say("publish.reference")}
      </label>
      <OperatorForm
        className="slots-form"
        action={say("publish")}
        send={() => onSend(reference)}
        sent={
          version === null || unpublished
            ? ""
            : say(isStill ? "publish.doneStill" : "publish.done", { version: String(version) })
        }
        waiting={blocked || wrong > 0}
        hint={
          <p className="small muted">
            {wrong > 0 ? say("publish.wrong", { count: wrong }) : unpublished ? say("publish.stored") : ""}
          </p>
        }
      />
      <Fault words={unjudged || null} />
    </section>
  );
}

function TermsFields({ terms, onTerms }: { terms: Terms; onTerms: (terms: Terms) => void }) {
  return (
    <div className="slots-pair">
      <label className="field">
        {say("source.name")}
        <input
          maxLength={100}
          value={terms.camera_name}
          onChange={(event) => {
            onTerms({ ...terms, camera_name: event.target.value });
          }}
        />
      </label>
      <label className="field">
        {say("source.interval")}
        <input
          type="number"
          min={0.1}
          max={86_400}
          step="any"
          value={terms.interval_ms / 1000}
          onChange={(event) => {
            onTerms({ ...terms, interval_ms: Math.round(Number(event.target.value) * 1000) });
          }}
        />
      </label>
    </div>
  );
}
