import { randomBytes } from "node:crypto";
import { base58 } from "@scure/base";
import { type CoValueId, idFromHash } from "../../shared/ids.ts";

/** Ids and writers as cojson makes them, many at a time and without their content. */
export function manyIds(count: number): CoValueId[] {
  return Array.from({ length: count }, () => idFromHash(randomBytes(19)));
}

/** A coSession id of somebody. */
export function someWriter(): string {
  return `${idFromHash(randomBytes(19))}_session_z${base58.encode(randomBytes(9))}`;
}

/** A client's `load` of a value that it has. */
export function loadOf(id: CoValueId, writers: readonly string[]): string {
  const sessions = Object.fromEntries(writers.map((writer) => [writer, 3]));
  return JSON.stringify({ action: "load", id, header: true, sessions });
}
