import { SpriteSyncError } from "../shared/errors.ts";

/**
 * wrangler.toml's text with a variable set in one environment. Everything else stays as it is, comments too, which a parser
 * and a printer would lose.
 * @param environment `undefined` is production.
 * @throws SpriteSyncError `config-invalid` when the variable is not written there yet.
 */
export function setVariable(
  toml: string,
  environment: string | undefined,
  name: string,
  value: string,
): string {
  const section = environment ? `[env.${environment}.vars]` : "[vars]";
  const lines = toml.split("\n");
  const start = lines.findIndex((line) => line.trim() === section);
  const next = lines.findIndex((line, index) => index > start && line.trimStart().startsWith("["));
  const end = next < 0 ? lines.length : next;
  const at = lines.findIndex(
    (line, index) => index > start && index < end && new RegExp(`^\\s*${name}\\s*=`).test(line),
  );
  if (start < 0 || at < 0) {
    throw new SpriteSyncError(
      "config-invalid",
      `wrangler.toml has no line ${name} = … in ${section}; add one`,
    );
  }
  return lines.with(at, `${name} = ${JSON.stringify(value)}`).join("\n");
}
