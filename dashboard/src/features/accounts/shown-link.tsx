import { useEffect, useRef } from "react";

import { linkAddress, type Link } from "./account-requests";

/** A link that is shown only once, selected so that it can be copied on any page. */
export function ShownLink({ link }: { link: Link }) {
  const shown = useRef<HTMLInputElement>(null);
  useEffect(() => {
    shown.current?.focus();
    shown.current?.select();
  }, []);
  return (
    <div className="accounts-link" role="status">
      <label className="field">
        Send this link to {link.name}. It is shown only now, works once, and until{" "}
        {new Date(link.expires_at_ms).toLocaleString()}. Using it ends every other sign-in of {link.name}.
        <input ref={shown} type="text" readOnly value={linkAddress(link.token)} />
      </label>
    </div>
  );
}
