import { useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import { isSignedIn } from "../../shared/session";
import { useNow } from "../../shared/use-now";
import { EndedTable } from "./ended-table";
import { InsideTable } from "./inside-table";
import { searchPlate } from "./stay-commands";
import type { Stay } from "./stays";

/** Finds a plate's stays, where the site keeps plates. */
export function PlateSearch({ siteId }: { siteId: string }) {
  const [plate, setPlate] = useState("");
  const [found, setFound] = useState<readonly Stay[] | null>(null);
  const now_ms = useNow();
  const inside = (found ?? []).filter((stay) => stay.kind === "opened" || stay.kind === "overstay");
  const ended = (found ?? []).filter((stay) => !inside.includes(stay));
  return (
    <section className="card" aria-labelledby="search-title">
      <div className="card-head">
        <h2 id="search-title">Find a plate</h2>
      </div>
      <OperatorForm
        className="correction"
        action="Find"
        send={() => searchPlate(siteId, plate, setFound)}
        sent={found?.length === 0 ? "No open or recently ended stay has this plate." : ""}
        hint={
          <p className="small muted">
            {isSignedIn() ? "" : "Needs a key of scope “plates”. "}Letters and digits count.
          </p>
        }
      >
        <label className="field">
          Plate
          <input
            required
            maxLength={40}
            autoComplete="off"
            spellCheck={false}
            value={plate}
            onChange={(event) => {
              setPlate(event.target.value);
            }}
          />
        </label>
      </OperatorForm>
      {inside.length > 0 && <InsideTable stays={inside} now_ms={now_ms} />}
      {ended.length > 0 && <EndedTable stays={ended} now_ms={now_ms} />}
    </section>
  );
}
