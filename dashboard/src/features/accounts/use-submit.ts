import { useState } from "react";

import { faultOf } from "./account-requests";

interface Submit {
  busy: boolean;
  /** Why the last try failed; null if it did not. */
  fault: string | null;
  /** Runs the request unless one is under way. Calls `done`, if given, when it has succeeded. */
  run: (request: () => Promise<unknown>, done?: () => void) => void;
}

/** The state of a form that sends one request at a time. */
export function useSubmit(): Submit {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  return {
    busy,
    fault,
    run: (request, done) => {
      if (busy) return;
      setBusy(true);
      void faultOf(request).then((found) => {
        setBusy(false);
        setFault(found);
        if (found === null) done?.();
      });
    },
  };
}
