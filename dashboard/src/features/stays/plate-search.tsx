import { useState } from "react";

import { say } from "../../shared/language";
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
        <h2 id="search-title">{say("plate.title")}</h2>
      </div>
      <OperatorForm
        className="correction"
        action={say("plate.find")}
        send={() => searchPlate(siteId, plate, setFound)}
        sent={found?.length === 0 ? say("plate.none") : ""}
        hint={
          <p className="small muted">
            {isSignedIn() ? "" : `${say("plate.key")} `}
            {say("plate.hint")}
          </p>
        }
      >
        <label className="field">
          {say("column.plate")}
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
