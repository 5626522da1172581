import { useState } from "react";

import { countStates } from "../../shared/counts";
import { gateCountWords } from "../../shared/gate-count";
import { number, say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { OperatorForm } from "../../shared/operator-form";
import { countOne, recount } from "./stay-commands";
import { recountWords } from "./stays";

/** How many are inside, how many fit, how many spaces are occupied, and why these differ. */
export function CountCard({ site }: { site: Site }) {
  const counts = countStates(Object.values(site.slots));
  const why = gateCountWords(site.open_sessions, counts);
  return (
    <section className="card stay-counts" aria-labelledby="counts-title">
      <h2 id="counts-title" className="visually-hidden">
        {say("counts.title")}
      </h2>
      <dl>
        <Figure name={say("counts.inside")} value={site.open_sessions} />
        <Figure name={say("counts.fit")} value={site.capacity ?? counts.total} />
        <Figure name={say("counts.occupied")} value={counts.occupied} />
      </dl>
      {(why || counts.total > 0) && <p>{why || say("counts.agree")}</p>}
      <details>
        <summary>{say("counts.correct")}</summary>
        <Corrections site={site} />
      </details>
    </section>
  );
}

function Figure({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{number(value)}</dd>
    </div>
  );
}

function Corrections({ site }: { site: Site }) {
  const [text, setText] = useState("");
  const { site_id, open_sessions } = site;
  const sent = say("counts.sent");
  return (
    <div className="corrections">
      <OperatorForm
        className="correction"
        action={say("counts.entry")}
        send={() => countOne(site_id, "entry")}
        sent={sent}
      />
      <OperatorForm
        className="correction"
        action={say("counts.exit")}
        send={() => countOne(site_id, "exit")}
        sent={sent}
      />
      <OperatorForm
        className="correction"
        action={say("counts.recount")}
        send={async () => {
          const error = await recount(site_id, Number(text));
          if (!error) setText("");
          return error;
        }}
        sent={sent}
        hint={text && <p className="small">{recountWords(open_sessions, Number(text))}</p>}
      >
        <label className="field">
          {say("counts.field")}
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
            <input key={text} required type="checkbox" /> {say("counts.sure")}
          </label>
        )}
      </OperatorForm>
    </div>
  );
}
