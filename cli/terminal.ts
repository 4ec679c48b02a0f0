/** What a command has to do with whoever started it. */
export interface Terminal {
  readonly print: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}
