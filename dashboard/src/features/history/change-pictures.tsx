import { apiUrl } from "../../shared/api";
import { say } from "../../shared/language";
import { useRequest } from "../../shared/use-request";
import { RequestFault } from "./request-fault";
import { loadPictures, type StoredPicture } from "./requests";
import { dayOf, exactTime } from "./times";

interface Props {
  changeId: string;
  slotId: string;
  time_zone: string;
}

const MISSING = ["no-frame", "policy", "retention", "expired"] as const;

/** The stored pictures before and after a change. */
export function ChangePictures({ changeId, slotId, time_zone }: Props) {
  const { answer, again } = useRequest(changeId, loadPictures);
  if (answer.state === "loading") {
    return (
      <p className="muted" role="status">
        {say("pictures.loading")}
      </p>
    );
  }
  if (answer.state === "failed") {
    return <RequestFault message={answer.message} onAgain={again} />;
  }
  const { before, after, missing } = answer.value;
  const why = MISSING.find((code) => code === missing);
  return (
    <div className="history-pictures">
      <Picture
        end="before"
        slotId={slotId}
        picture={before}
        time_zone={time_zone}
        missing={say("pictures.none")}
      />
      <Picture
        end="after"
        slotId={slotId}
        picture={after}
        time_zone={time_zone}
        missing={say(why ? `pictures.missing.${why}` : "pictures.none")}
      />
    </div>
  );
}

interface PictureProps {
  end: "before" | "after";
  slotId: string;
  picture: StoredPicture | null;
  time_zone: string;
  /** The text shown if there is no picture. */
  missing: string;
}

function Picture({ end, slotId, picture, time_zone, missing }: PictureProps) {
  const title = say(`pictures.${end}`);
  if (!picture) {
    return (
      <p className="muted">
        {title}: {missing}
      </p>
    );
  }
  const { time_ms, url } = picture;
  const when = `${dayOf(time_ms, time_zone)} ${exactTime(time_ms, time_zone)}`;
  return (
    <figure>
      <a href={apiUrl(url)} target="_blank" rel="noreferrer">
        <img src={apiUrl(url)} alt={say(`pictures.alt.${end}`, { space: slotId, when })} loading="lazy" />
      </a>
      <figcaption className="muted small">
        {title}: {when}
      </figcaption>
    </figure>
  );
}
