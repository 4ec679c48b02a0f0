import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where `edge/region-table.ts` comes from: positions from Fly's own API, as collected by others (its `sources` say who). */
const SOURCE = new URL("../test/fixtures/fly/fly-regions.json", import.meta.url);
const TABLE = new URL("../edge/region-table.ts", import.meta.url);

interface Source {
  readonly regions: readonly Record<"code" | "latitude" | "longitude" | "geo_area", string | number>[];
}

/** The text of `edge/region-table.ts`. */
export function regionTable(): string {
  const { regions } = JSON.parse(readFileSync(SOURCE, "utf8")) as Source;
  const rows = regions.map(
    ({ code, latitude, longitude, geo_area }) =>
      `  { code: "${code}", latitude: ${latitude}, longitude: ${longitude}, area: "${geo_area}" },`,
  );
  return `/** Made by \`node dev/region-table.ts\`; do not edit. Fly's regions (facts/fly-machines §3); degrees, north and east positive. */
export const REGION_TABLE = [
${rows.join("\n")}
] as const;
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TABLE, regionTable());
