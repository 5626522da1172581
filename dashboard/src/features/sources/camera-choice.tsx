import { say } from "../../shared/language";
export type Choice = "camera" | "picture";

const CHOICES: readonly Choice[] = ["camera", "picture"];

interface Props {
  chosen: Choice;
  onChoose: (choice: Choice) => void;
}

/** What is added. */
export function CameraChoice({ chosen, onChoose }: Props) {
  return (
    <fieldset className="sources-choice">
      <legend>{say("source.choice")}</legend>
      {CHOICES.map((choice) => (
        <label key={choice}>
          <input
            type="radio"
            name="camera-choice"
            checked={chosen === choice}
            onChange={() => {
              onChoose(choice);
            }}
          />
          {say(`source.choice.${choice}`)}
        </label>
      ))}
    </fieldset>
  );
}
