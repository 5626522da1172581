import { useState } from "react";

import { countStates } from "../../shared/counts";
import { gateCountWords } from "../../shared/gate-count";
import type { Site } from "../../shared/live";
import { OperatorForm } from "../../shared/operator-form";
import { countOne, recount } from "./stay-commands";
import { recountWords } from "./stays";

const SENT = "Sent. The number changes in a moment.";

/** How many are inside, how many fit, how many spaces are occupied, and why these differ. */
export function CountCard({ site }: { site: Site }) {
  const counts = countStates(Object.values(site.slots));
  const why = gateCountWords(site.open_sessions, counts);
  return (
    <section className="card stay-counts" aria-labelledby="counts-title">
      <h2 id="counts-title" className="visually-hidden">
        Counts
      </h2>
      <dl>
        <Figure name="inside, according to the gates" value={site.open_sessions} />
        <Figure name="fit inside" value={site.capacity ?? counts.total} />
        <Figure name="spaces occupied, according to the cameras" value={counts.occupied} />
      </dl>
      {(why || counts.total > 0) && <p>{why || "Gates and cameras agree."}</p>}
      <details>
        <summary>Correct the count</summary>
        <Corrections site={site} />
      </details>
    </section>
  );
}

function Figure({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Corrections({ site }: { site: Site }) {
  const [text, setText] = useState("");
  const { site_id, open_sessions } = site;
  return (
    <div className="corrections">
      <OperatorForm
        className="correction"
        action="One came in unseen"
        send={() => countOne(site_id, "entry")}
        sent={SENT}
      />
      <OperatorForm
        className="correction"
        action="One left unseen"
        send={() => countOne(site_id, "exit")}
        sent={SENT}
      />
      <OperatorForm
        className="correction"
        action="Recount"
        send={async () => {
          const error = await recount(site_id, Number(text));
          if (!error) setText("");
          return error;
        }}
        sent={SENT}
        hint={text && <p className="small">{recountWords(open_sessions, Number(text))}</p>}
      >
        <label className="field">
          Vehicles inside, counted by a person
          <input
            required
            type="number"
            min="0"
            max="4000"
            step="1"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
            }}
          />
        </label>
        {text && (
          <label className="small">
            <input key={text} required type="checkbox" /> I counted the vehicles
          </label>
        )}
      </OperatorForm>
    </div>
  );
}
