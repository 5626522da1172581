import { useEffect, useMemo, useRef } from "react";

import { differences, type Drawing } from "./drawing";
import { listed } from "./versions";
import { say } from "../../shared/language";

interface Props {
  mine: Drawing;
  theirs: Drawing;
  /** The version of `theirs`; 0: the layout was removed. */
  version: number;
  onKeep: () => void;
  onTake: () => void;
}

/** Asks which version to keep after somebody else published. Neither choice loses work. */
export function ConflictNotice({ mine, theirs, version, onKeep, onTake }: Props) {
  const title = useRef<HTMLHeadingElement>(null);
  const names = useMemo(() => differences(mine, theirs), [mine, theirs]);

  useEffect(() => {
    title.current?.focus();
  }, []);

  return (
    <section
      className="card slots-form slots-conflict"
      aria-labelledby="conflict-title"
      data-testid="conflict"
    >
      <h2 id="conflict-title" tabIndex={-1} ref={title}>
        {version ? say("conflict.published", { version: String(version) }) : say("conflict.removed")}
      </h2>
      <p>{names.length ? say("conflict.differs", { names: listed(names) }) : say("versions.same")}</p>
      <div className="slots-group">
        <button type="button" className="button" onClick={onKeep}>
          {say("conflict.keep")}
        </button>
        <button type="button" className="button" onClick={onTake}>
          {say("conflict.take")}
        </button>
      </div>
      <p className="small muted">{say("conflict.hint", { action: say("conflict.take") })}</p>
    </section>
  );
}
