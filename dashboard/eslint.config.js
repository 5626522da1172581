import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import checkFile from "eslint-plugin-check-file";
import { importX } from "eslint-plugin-import-x";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import { readdirSync } from "node:fs";
import tseslint from "typescript-eslint";

const features = readdirSync(new URL("src/features", import.meta.url));

// Imports go shared -> features -> app; a feature does not know another one.
const zones = [
  { target: "./src/shared", from: ["./src/features", "./src/app"] },
  { target: "./src/stream.ts", from: ["./src/features", "./src/app"] },
  { target: "./src/features", from: "./src/app" },
  ...features.map((name) => ({
    target: `./src/features/${name}`,
    from: "./src/features",
    except: [`./${name}`],
  })),
];

const noBarrels = { selector: "ExportAllDeclaration", message: "No barrel files." };

// Texts are in src/shared/messages, in every language. Commands and names are the same in all of them.
const message = "Put the text into src/shared/messages and show it with say().";
const SAME = String.raw`Smart Parking|\(AGPL-3\.0\)|px|10 m`;
const SHOWN = "/^(alt|aria-label|label|title|placeholder|action|sent|hint|of|note)$/";
const noTexts = [
  `JSXElement:not([openingElement.name.name=/^(code|pre)$/]) > JSXText[value=/^(?!\\s*(${SAME})\\s*$)[^]*[A-Za-z]{2}/]`,
  `JSXAttribute[name.name=${SHOWN}] > Literal[value=/^[A-Z]|\\s/]`,
  `JSXAttribute[name.name=${SHOWN}] TemplateElement[value.raw=/[A-Za-z]{2} | [A-Za-z]{2}/]`,
  "Literal[value=/^[A-Z]\\S* .*[.!?…]$/]",
  "TemplateElement[value.raw=/^[A-Z][a-z]+ [a-z]+ /]",
].map((selector) => ({ selector, message }));

export default defineConfig(
  { ignores: ["dist", "**/node_modules", "src/shared/events.ts"] },
  {
    files: ["src/**/*.{ts,tsx}", "*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { "import-x": importX, "check-file": checkFile },
    settings: { "import-x/resolver-next": [createTypeScriptImportResolver()] },
    rules: {
      "import-x/no-restricted-paths": ["error", { zones }],
      "import-x/no-cycle": "error",
      "import-x/no-default-export": "error",
      "check-file/filename-naming-convention": [
        "error",
        { "src/**/*.{ts,tsx}": "KEBAB_CASE" },
        { ignoreMiddleExtensions: true },
      ],
      "no-restricted-syntax": ["error", noBarrels],
      "max-lines": ["error", { max: 300, skipBlankLines: false }],
      complexity: ["error", 12],
      eqeqeq: "error",
      // Numbers in template strings are what templates are for.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: ["src/**/*.tsx"],
    extends: [reactHooks.configs.flat.recommended, jsxA11y.flatConfigs.strict],
    rules: {
      "max-lines": ["error", { max: 200, skipBlankLines: false }],
      // A canvas shows a picture here; a long text in a pre and a large table in a region scroll by keyboard.
      "jsx-a11y/no-interactive-element-to-noninteractive-role": ["error", { canvas: ["img"] }],
      "jsx-a11y/no-noninteractive-tabindex": ["error", { tags: ["pre"], roles: ["region"] }],
    },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["**/*.test.*"],
    rules: { "no-restricted-syntax": ["error", noBarrels, ...noTexts] },
  },
  {
    // Tools read their configuration from a default export.
    files: ["vite.config.ts"],
    rules: { "import-x/no-default-export": "off" },
  },
);
