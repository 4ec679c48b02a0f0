import { randomUUID } from "node:crypto";
import type { MoveDeps } from "../../edge/fleet/machines-move.ts";
import type { MoveView } from "../../edge/move-gate.ts";
import { ERROR_TABLE, type ErrorCode, SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, type PassKeys, signOperatorPass } from "../../shared/pass.ts";

/**
 * A group's coordinator, as its edge lets an operator command it.
 * @param syncUrl the edge's address for clients, `wss://…/sync`.
 */
export function openGate(home: GroupId, syncUrl: string, keys: PassKeys): MoveDeps["gate"] {
  const url = new URL(`/operate/${home}`, syncUrl.replace(/^ws/, "http"));
  const holder = randomUUID();
  return async (command) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", [PASS_HEADER]: await signOperatorPass(home, keys) },
      body: JSON.stringify({ ...command, holder }),
      redirect: "manual",
      signal: AbortSignal.timeout(70_000),
    }).catch((cause) => {
      throw new SpriteSyncError("transient", `the edge at ${url.host} gave no answer`, { cause });
    });
    const body = (await response.json().catch(() => ({}))) as { error?: string; message?: string };
    if (response.ok) return body as unknown as MoveView;
    const code = (body.error ?? "") in ERROR_TABLE ? (body.error as ErrorCode) : "transient";
    throw new SpriteSyncError(
      code,
      `the edge answered ${response.status}: ${body.message ?? "without a reason"}`,
    );
  };
}
