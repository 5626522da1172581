import { useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { answerWords, evidenceWords, type ProposedSlot, type ProposalSource } from "./proposals";
import type { useProposals } from "./use-proposals";

type Proposing = ReturnType<typeof useProposals>;

const SOURCES: readonly ProposalSource[] = ["picture", "day"];

/** Requests proposals, and lists them to be accepted or dismissed. */
export function ProposalsForm({ proposing }: { proposing: Proposing }) {
  const [source, setSource] = useState<ProposalSource>("picture");
  const { found, open } = proposing;
  return (
    <section className="card slots-form" aria-labelledby="proposals-title">
      <h2 id="proposals-title">{say("propose.title")}</h2>
      <OperatorForm
        className="slots-form"
        action={say("propose.title")}
        send={() => proposing.request(source)}
        sent={found ? answerWords(found, open.length, found.source) : ""}
        hint={<p className="small muted">{say("propose.hint")}</p>}
      >
        <fieldset className="slots-sources">
          <legend>{say("propose.from")}</legend>
          {SOURCES.map((value) => (
            <label key={value} className="slots-check">
              <input
                type="radio"
                name="source"
                checked={source === value}
                onChange={() => {
                  setSource(value);
                }}
              />
              {say(`propose.${value}`)}
            </label>
          ))}
        </fieldset>
      </OperatorForm>
      {found && found.slots.length > 0 && <Found proposing={proposing} of={found.frames} />}
    </section>
  );
}

function Found({ proposing, of }: { proposing: Proposing; of: number }) {
  const { open, selected, toggle, accept, dismiss } = proposing;
  return (
    <>
      <ul className="slots-list slots-proposals" aria-label={say("propose.list")}>
        {open.map((one) => (
          <li key={one.slot_id}>
            <label className="slots-check">
              <input
                type="checkbox"
                checked={selected.includes(one)}
                onChange={() => {
                  toggle(one.slot_id);
                }}
              />
              <span>
                {one.slot_id}: <span className="muted">{evidenceWords(one, of)}</span>
              </span>
            </label>
          </li>
        ))}
      </ul>
      <div className="slots-group" role="group" aria-label={say("propose.selected")}>
        <Choice words={say("propose.accept")} of={selected} onChoose={accept} />
        <Choice words={say("propose.dismiss")} of={selected} onChoose={dismiss} />
      </div>
      <div className="slots-group" role="group" aria-label={say("propose.all")}>
        <Choice words={say("propose.acceptAll")} of={open} onChoose={accept} />
        <Choice words={say("propose.dismissAll")} of={open} onChoose={dismiss} />
      </div>
    </>
  );
}

function Choice({
  words,
  of,
  onChoose,
}: {
  words: string;
  of: readonly ProposedSlot[];
  onChoose: (which: readonly ProposedSlot[]) => void;
}) {
  return (
    <button
      type="button"
      className="button button-small"
      aria-disabled={!of.length}
      onClick={() => {
        onChoose(of);
      }}
    >
      {words}
    </button>
  );
}
