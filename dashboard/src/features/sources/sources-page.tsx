import { useCallback, useEffect, useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { Rich } from "../../shared/rich";
import { pageAddress } from "../../shared/routes";
import { isSignedIn } from "../../shared/session";
import { CameraChoice, type Choice } from "./camera-choice";
import { PictureForm } from "./picture-form";
import { listSources } from "./source-commands";
import { draftOf, newDraft, type Draft, type Source } from "./source-draft";
import { Field, partRule } from "./source-fields";
import { SourceForm } from "./source-form";
import { SourceRow } from "./source-row";
import "./sources.css";

/** IP cameras of a lot: add, try, change and remove them, or upload a picture in place of one. `siteId` is empty before a lot exists. */
export function SourcesPage({ siteId }: { siteId: string }) {
  const [{ draft, round }, setForm] = useState({ draft: newDraft(siteId), round: 0 });
  const [choice, setChoice] = useState<Choice>("camera");
  const [site, setSite] = useState(siteId);
  const [sources, setSources] = useState<readonly Source[] | null>(null);
  const list = useCallback(() => listSources(site, setSources), [site]);
  useEffect(() => {
    if (siteId && isSignedIn()) void listSources(siteId, setSources);
  }, [siteId]);
  const chooser = <CameraChoice chosen={choice} onChoose={setChoice} />;
  const open = (next: Draft) => {
    setForm({ draft: next, round: round + 1 }); // a new form, even with the same content
  };
  const startAgain = () => {
    open(newDraft(siteId));
  };
  return (
    <div className="sources">
      <h1>{siteId ? say("sources.of", { site: siteId }) : say("page.cameras")}</h1>
      <p>
        {siteId ? (
          <Rich
            message="sources.what"
            parts={{ fleet: <a href={pageAddress(siteId, "fleet")}>{say("sources.fleet")}</a> }}
          />
        ) : (
          say("sources.what", { fleet: say("sources.fleetOfLot") })
        )}
      </p>
      {choice === "picture" && draft.version === 0 ? (
        <PictureForm key={round} siteId={siteId} choice={chooser} onNew={startAgain} />
      ) : (
        <SourceForm
          key={round}
          start={draft}
          choice={chooser}
          onSaved={(saved) => {
            if (sources && saved === site) void list();
          }}
          onNew={startAgain}
        />
      )}
      <section className="card" aria-labelledby="sources-title">
        <h2 id="sources-title">{say("sources.title")}</h2>
        <OperatorForm
          className="devices-form"
          action={say(sources ? "refresh" : "sources.show")}
          send={list}
          sent=""
        >
          {!siteId && <Field label={say("sources.lot")} value={site} onValue={setSite} {...partRule()} />}
        </OperatorForm>
        {sources?.length === 0 && <p className="muted">{say("sources.none")}</p>}
        <ul className="sources-list">
          {sources?.map((source) => (
            <SourceRow
              key={source.camera_id}
              source={source}
              onEdit={() => {
                open(draftOf(source));
              }}
              onRemoved={list}
            />
          ))}
        </ul>
      </section>
    </div>
  );
}
