import { randomUUID } from "node:crypto";
import type { MoveDeps } from "../../edge/fleet/machines-move.ts";
import type { IndexView } from "../../edge/indexing.ts";
import type { MoveView } from "../../edge/move-gate.ts";
import { ERROR_TABLE, type ErrorCode, SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, type PassKeys, signOperatorPass } from "../../shared/pass.ts";

/**
 * A group's coordinator, as its edge lets an operator command it.
 * @param syncUrl the edge's address for clients, `wss://…/sync`.
 */
export function openGate(home: GroupId, syncUrl: string, keys: PassKeys): MoveDeps["gate"] {
  const holder = randomUUID();
  return async (command) => (await operate(home, syncUrl, keys, { ...command, holder })) as MoveView;
}

/**
 * Enters what lives in a group into the edge's directory.
 * @throws SpriteSyncError
 */
export async function indexResidents(
  home: GroupId,
  ids: readonly string[],
  syncUrl: string,
  keys: PassKeys,
): Promise<IndexView> {
  return (await operate(home, syncUrl, keys, { kind: "index", ids })) as IndexView;
}

async function operate(home: GroupId, syncUrl: string, keys: PassKeys, command: object): Promise<unknown> {
  const url = new URL(`/operate/${home}`, syncUrl.replace(/^ws/, "http"));
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", [PASS_HEADER]: await signOperatorPass(home, keys) },
    body: JSON.stringify(command),
    redirect: "manual",
    signal: AbortSignal.timeout(70_000),
  }).catch((cause) => {
    throw new SpriteSyncError("transient", `the edge at ${url.host} gave no answer`, { cause });
  });
  const body = (await response.json().catch(() => ({}))) as { error?: string; message?: string };
  if (response.ok) return body;
  const code = (body.error ?? "") in ERROR_TABLE ? (body.error as ErrorCode) : "transient";
  throw new SpriteSyncError(
    code,
    `the edge answered ${response.status}: ${body.message ?? "without a reason"}`,
  );
}
