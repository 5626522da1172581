import { useEffect, useRef } from "react";

import { linkAddress, type Link } from "./account-requests";
import { dateAndTime } from "../../shared/format";
import { say } from "../../shared/language";

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
        {say("link.send", { name: link.name, until: dateAndTime(link.expires_at_ms) })}
        <input ref={shown} type="text" readOnly value={linkAddress(link.token)} />
      </label>
    </div>
  );
}
