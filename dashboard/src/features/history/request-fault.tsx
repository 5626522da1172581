import { say } from "../../shared/language";

interface Props {
  message: string;
  onAgain: () => void;
}

/** Says that a request failed, and offers to send it again. */
export function RequestFault({ message, onAgain }: Props) {
  return (
    <p className="fault" role="alert">
      {message}{" "}
      <button type="button" className="link" onClick={onAgain}>
        {say("again")}
      </button>
    </p>
  );
}
