import type { Options } from "./command.ts";

/** A left column as wide as its widest word, and what each word means. */
export function rows(pairs: readonly (readonly [word: string, meaning: string])[]): string[] {
  const width = Math.max(...pairs.map(([word]) => word.length));
  return pairs.map(([word, meaning]) => `  ${word.padEnd(width)}  ${meaning}`);
}

/** Each option, with its value and its default. */
export function optionLines(options: Options): (readonly [word: string, meaning: string])[] {
  return Object.entries(options).map(([name, { about, value, ...option }]) => {
    const given = option.default;
    const isTold = typeof given === "string" && !about.includes("(default");
    return [`--${name}${value ? ` ${value}` : ""}`, isTold ? `${about} (default ${given})` : about];
  });
}
