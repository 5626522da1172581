export type Choice = "camera" | "picture";

const WORDS: Readonly<Record<Choice, string>> = {
  camera: "An IP camera",
  picture: "A picture, to try without a camera",
};

interface Props {
  chosen: Choice;
  onChoose: (choice: Choice) => void;
}

/** What is added. */
export function CameraChoice({ chosen, onChoose }: Props) {
  return (
    <fieldset className="sources-choice">
      <legend>What do you add?</legend>
      {(Object.keys(WORDS) as Choice[]).map((choice) => (
        <label key={choice}>
          <input
            type="radio"
            name="camera-choice"
            checked={chosen === choice}
            onChange={() => {
              onChoose(choice);
            }}
          />
          {WORDS[choice]}
        </label>
      ))}
    </fieldset>
  );
}
