import { apiUrl } from "../../shared/api";
import { useRequest } from "../../shared/use-request";
import { loadPictures, type StoredPicture } from "./requests";
import { dayOf, exactTime } from "./times";

interface Props {
  changeId: string;
  slotId: string;
  time_zone: string;
}

const MISSING_WORDS: Readonly<Record<string, string>> = {
  "no-frame": "No picture caused this change.",
  policy: "Pictures are not stored here.",
  retention: "The picture was deleted when its retention period ended.",
  expired: "The picture was lost before it could be stored.",
};

/** The stored pictures before and after a change. */
export function ChangePictures({ changeId, slotId, time_zone }: Props) {
  const { answer, again } = useRequest(changeId, loadPictures);
  if (answer.state === "loading") {
    return (
      <p className="muted" role="status">
        Loading the pictures …
      </p>
    );
  }
  if (answer.state === "failed") {
    return (
      <p className="fault" role="alert">
        {answer.message}{" "}
        <button type="button" className="link" onClick={again}>
          Try again
        </button>
      </p>
    );
  }
  const { before, after, missing } = answer.value;
  return (
    <div className="history-pictures">
      <Picture
        words="Before"
        slotId={slotId}
        picture={before}
        time_zone={time_zone}
        missing="None is stored."
      />
      <Picture
        words="After"
        slotId={slotId}
        picture={after}
        time_zone={time_zone}
        missing={MISSING_WORDS[missing ?? ""] ?? "None is stored."}
      />
    </div>
  );
}

interface PictureProps {
  words: string;
  slotId: string;
  picture: StoredPicture | null;
  time_zone: string;
  /** Said where there is none. */
  missing: string;
}

function Picture({ words, slotId, picture, time_zone, missing }: PictureProps) {
  if (!picture) {
    return (
      <p className="muted">
        {words}: {missing}
      </p>
    );
  }
  const { time_ms, url } = picture;
  const when = `${dayOf(time_ms, time_zone)} ${exactTime(time_ms, time_zone)}`;
  return (
    <figure>
      <a href={apiUrl(url)} target="_blank" rel="noreferrer">
        <img src={apiUrl(url)} alt={`${words} the change of ${slotId}, taken ${when}`} loading="lazy" />
      </a>
      <figcaption className="muted small">
        {words}: {when}
      </figcaption>
    </figure>
  );
}
