import { useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { readPlates, type Plates } from "./stay-commands";
import type { Stay } from "./stays";

/** Shows a plate on request: it needs a key of scope `plates`, and the server logs who read it. */
export function PlateCell({ stay }: { stay: Stay }) {
  const [plates, setPlates] = useState<Plates | null>(null);
  if (!stay.plate_hash) return <span className="muted">{say("plate.notRead")}</span>;
  if (plates) {
    const read = [...new Set([plates.entry_plate, plates.exit_plate])].filter((plate) => plate !== null);
    return <span>{read.join(", ") || say("plate.gone")}</span>;
  }
  return (
    <OperatorForm
      className="plate-form"
      action={say("plate.show")}
      send={() => readPlates(stay, setPlates)}
      sent=""
    />
  );
}
