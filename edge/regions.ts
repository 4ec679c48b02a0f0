import { REGION_TABLE } from "./region-table.ts";

/** A place on earth, degrees. */
export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

/**
 * Where a visitor is, as Cloudflare guesses it: `request.cf` has both numbers as strings, or not at all
 * (facts/cloudflare §5).
 */
export function positionOf(cf: unknown): Position | undefined {
  const { latitude, longitude } = (cf ?? {}) as { latitude?: unknown; longitude?: unknown };
  const position = { latitude: degrees(latitude), longitude: degrees(longitude) };
  const { latitude: north, longitude: east } = position;
  return Math.abs(north) <= 90 && Math.abs(east) <= 180 ? position : undefined;
}

function degrees(text: unknown): number {
  return typeof text === "string" && text.trim() !== "" ? Number(text) : Number.NaN;
}

/**
 * `allowed` with the nearest region first. Regions whose place is not known follow in their own order, and so do all of
 * them when nobody knows where the visitor is.
 */
export function nearestFirst(allowed: readonly string[], visitor: Position | undefined): string[] {
  if (!visitor) return [...allowed];
  const distance = (code: string) => {
    const region = REGION_TABLE.find((known) => known.code === code);
    return region ? distanceOf(region, visitor) : Number.POSITIVE_INFINITY;
  };
  const ranked = allowed.map((code, order) => ({ code, order, far: distance(code) }));
  // Subtracting infinities gives NaN, which compares as nothing.
  return ranked.sort((a, b) => (a.far === b.far ? a.order - b.order : a.far - b.far)).map(({ code }) => code);
}

/** How far apart two places are, as the square of half the chord through the earth: it orders as kilometres do. */
function distanceOf(a: Position, b: Position): number {
  const rad = Math.PI / 180;
  const north = Math.sin(((b.latitude - a.latitude) * rad) / 2) ** 2;
  const east = Math.sin(((b.longitude - a.longitude) * rad) / 2) ** 2;
  return north + Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * east;
}

/** Where Cloudflare can be asked to put a Durable Object (facts/cloudflare §2.3). */
export type LocationHint = "wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me";

/** West of this the coast of the Pacific is nearer than that of the Atlantic: between Dallas and Denver. */
const NORTH_AMERICAN_DIVIDE = -100;
/** East of this Cloudflare's eastern Europe is nearer than its western: Stockholm lies there, Frankfurt does not. */
const EUROPEAN_DIVIDE = 16;

/**
 * Where a Sprite's coordinator should be: near its region. It counts only for the very first use of the object, which stays
 * where it was made, also when its Sprite moves.
 */
export function locationHintOf(code: string | undefined): LocationHint | undefined {
  const region = REGION_TABLE.find((known) => known.code === code);
  switch (region?.area) {
    case "north_america":
      return region.longitude < NORTH_AMERICAN_DIVIDE ? "wnam" : "enam";
    case "south_america":
      return "sam";
    case "europe":
      return region.longitude < EUROPEAN_DIVIDE ? "weur" : "eeur";
    case "africa":
      return "afr";
    case "asia_pacific":
      return region.latitude < 0 ? "oc" : "apac";
    default:
      return undefined;
  }
}

/** Every region there is, for fleets that choose by themselves: a coordinator still has to be somewhere. */
export const ALL_REGIONS: readonly string[] = REGION_TABLE.map(({ code }) => code);
