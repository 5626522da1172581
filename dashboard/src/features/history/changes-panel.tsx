import { useId, useState, type RefObject } from "react";

import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { ALL_CHANGES, CAUSES, causeWord, changesPath, type ChangeFilter } from "./change-filter";
import { ChangeList } from "./change-list";
import type { Usage } from "./requests";

interface Props {
  siteId: string;
  siteZones: Site["zones"];
  usage: Usage;
  file: string;
  filter: ChangeFilter;
  onFilter: (filter: ChangeFilter) => void;
  heading: RefObject<HTMLHeadingElement | null>;
}

/** The changes of the chosen time, newest first, with filters. */
export function ChangesPanel({ siteId, siteZones, usage, file, filter, onFilter, heading }: Props) {
  const id = useId();
  const path = changesPath(siteId, filter, usage);
  return (
    <section className="card history-panel" aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id} ref={heading} tabIndex={-1}>
          {say("changes.title")}
        </h2>
      </div>
      <Filters siteZones={siteZones} usage={usage} filter={filter} onFilter={onFilter} />
      <ChangeList key={path} path={path} file={`${file}-changes`} time_zone={usage.time_zone} />
    </section>
  );
}

type FiltersProps = Pick<Props, "siteZones" | "usage" | "filter" | "onFilter">;

function Filters({ siteZones, usage, filter, onFilter }: FiltersProps) {
  const list = useId();
  const [slot, setSlot] = useState(filter.slot);
  // The list of spaces sets the filter, too.
  const [given, setGiven] = useState(filter.slot);
  if (given !== filter.slot) {
    setGiven(filter.slot);
    setSlot(filter.slot);
  }
  const zones = siteZones.filter(({ zone_id }) => usage.zones.some((zone) => zone.zone_id === zone_id));
  const isKnown = (text: string) => text === "" || usage.slots.some(({ slot_id }) => slot_id === text);
  const known = isKnown(slot);
  return (
    <form
      className="history-filters"
      onSubmit={(event) => {
        event.preventDefault();
        if (known) onFilter({ ...filter, slot });
      }}
    >
      <label className="field">
        {say("column.space")}
        <input
          list={list}
          value={slot}
          placeholder={say("changes.all")}
          autoComplete="off"
          aria-invalid={!known}
          onChange={(event) => {
            const text = event.target.value;
            setSlot(text);
            if (isKnown(text)) onFilter({ ...filter, slot: text });
          }}
        />
        <datalist id={list}>
          {usage.slots.map(({ slot_id }) => (
            <option key={slot_id} value={slot_id} />
          ))}
        </datalist>
      </label>
      <label className="field">
        {say("zone")}
        <select
          value={filter.zone}
          onChange={(event) => {
            onFilter({ ...filter, zone: event.target.value });
          }}
        >
          <option value="">{say("changes.all")}</option>
          {zones.map(({ zone_id, name }) => (
            <option key={zone_id} value={zone_id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        {say("changes.cause")}
        <select
          value={filter.cause}
          onChange={(event) => {
            onFilter({ ...filter, cause: CAUSES.find((cause) => cause === event.target.value) ?? "" });
          }}
        >
          <option value="">{say("changes.anything")}</option>
          {CAUSES.map((cause) => (
            <option key={cause} value={cause}>
              {causeWord(cause)}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        className="button"
        onClick={() => {
          onFilter(ALL_CHANGES);
        }}
      >
        {say("showAll")}
      </button>
      {!known && (
        <p className="fault" role="status">
          {say("changes.noSpace", { space: slot })}
        </p>
      )}
    </form>
  );
}
