import { useEffect, useMemo, useRef } from "react";

import { differences, type Drawing } from "./drawing";
import { listed } from "./versions";

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
        {version
          ? `Version ${version} was published in the meantime`
          : "The layout was removed in the meantime"}
      </h2>
      <p>
        {names.length ? `It differs from yours in ${listed(names)}.` : "It has the same spaces as yours."}
      </p>
      <div className="slots-group">
        <button type="button" className="button" onClick={onKeep}>
          Keep mine, publish over it
        </button>
        <button type="button" className="button" onClick={onTake}>
          Show theirs
        </button>
      </div>
      <p className="small muted">You can undo “Show theirs”.</p>
    </section>
  );
}
