import { useMemo, useState, type Dispatch } from "react";

import { getJson, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { Drawing } from "./drawing";
import type { Action } from "./editor";
import { openProposals, type Proposals, type ProposedSlot, type ProposalSource } from "./proposals";

interface Found extends Proposals {
  source: ProposalSource;
}

const NONE: ReadonlySet<string> = new Set();

/** The proposals for a camera: requested, selected, then accepted or dismissed. */
export function useProposals(cameraId: string, { slots }: Drawing, dispatch: Dispatch<Action>) {
  const [found, setFound] = useState<Found | null>(null);
  const [dismissed, setDismissed] = useState(NONE);
  const [marked, setMarked] = useState(NONE);
  const open = useMemo(
    () => (found ? openProposals(found.slots, dismissed, slots) : []),
    [found, dismissed, slots],
  );
  const selected = open.filter((one) => marked.has(one.slot_id));

  /** Requests proposals in place of the present ones. Returns the error, if any. */
  async function request(source: ProposalSource): Promise<ApiError | null> {
    return withKey(async (key) => {
      const path = `/api/cameras/${cameraId}/slot-proposals?source=${source}`;
      const answer = await getJson<Proposals>(path, { key });
      setFound({ ...answer, source });
      setDismissed(NONE);
      setMarked(NONE);
    });
  }

  function toggle(name: string): void {
    const now = new Set(marked);
    if (!now.delete(name)) now.add(name);
    setMarked(now);
  }

  function accept(which: readonly ProposedSlot[]): void {
    if (which.length) dispatch({ type: "accept", proposed: which });
  }

  function dismiss(which: readonly ProposedSlot[]): void {
    setDismissed(new Set([...dismissed, ...which.map((one) => one.slot_id)]));
  }

  return { found, open, selected, request, toggle, accept, dismiss };
}
