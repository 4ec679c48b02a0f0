import { existsSync } from "node:fs";
import { request } from "node:http";
import { SpriteSyncError } from "../shared/errors.ts";

/** What a Fly Sprite's runtime offers the programs inside of it, on a Unix socket (facts/fly-sprites §4). */
export interface GuestApi {
  /** Keeps the Sprite from being paused until `expireSeconds` from now; called again, it begins anew. */
  hold(task: string, expireSeconds: number): Promise<void>;
  release(task: string): Promise<void>;
}

/** A runtime that hangs must not keep anything of ours waiting. */
const CALL_MS = 5_000;

/**
 * The runtime's API behind the socket `path`; `undefined` where there is none, on a Fly Machine or on somebody's own computer.
 * Its methods throw SpriteSyncError `transient`.
 */
export function openGuestApi(path: string): GuestApi | undefined {
  if (!existsSync(path)) return undefined;
  return {
    async hold(task, expireSeconds) {
      const status = await call(path, "PUT", `/v1/tasks/${task}`, { expire: `${expireSeconds}s` });
      if (status < 200 || status > 299) throw refused(`hold ${task}`, status);
    },
    async release(task) {
      const status = await call(path, "DELETE", `/v1/tasks/${task}`);
      // 404: it has expired.
      if (status !== 404 && (status < 200 || status > 299)) throw refused(`release ${task}`, status);
    },
  };
}

function call(socketPath: string, method: string, path: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host: "sprite", "content-type": "application/json" };
    const signal = AbortSignal.timeout(CALL_MS);
    const sent = request({ socketPath, method, path, headers, signal }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once("error", (cause) =>
      reject(
        new SpriteSyncError("transient", `the Sprite's runtime gave no answer to ${method} ${path}`, {
          cause,
        }),
      ),
    );
    sent.end(body && JSON.stringify(body));
  });
}

function refused(doing: string, status: number): SpriteSyncError {
  return new SpriteSyncError("transient", `${doing}: the Sprite's runtime answered ${status}`);
}
