/**
 * Puts `body` between the markers of a section: `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.
 * @throws Error when the document lacks them.
 */
export function replaceSection(document: string, name: string, body: string): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const start = document.indexOf(open);
  const end = document.indexOf(close, start);
  if (start < 0 || end < 0) throw new Error(`the document has no place for ${name}: ${open} … ${close}`);
  return `${document.slice(0, start + open.length)}\n\n${body}\n\n${document.slice(end)}`;
}
