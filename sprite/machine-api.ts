import { existsSync } from "node:fs";
import { request } from "node:http";
import { SpriteSyncError } from "../shared/errors.ts";

/** What a Fly Machine can ask of Fly about itself, without a token (facts/fly-machines §1.1). */
export interface MachineApi {
  /**
   * Asks for this Machine to be suspended. It resolves when that is accepted, some time before everything stands still.
   * @throws SpriteSyncError `transient`: it will not be.
   */
  suspend(): Promise<void>;
}

/** Longer than any answer takes; a call that hangs must not keep a Machine awake. */
const CALL_MS = 5_000;

/**
 * The API behind `socketPath`, for the Machine that `env` describes; `undefined` where there is none.
 * @param env `FLY_APP_NAME` and `FLY_MACHINE_ID`, as every Machine has them (facts/fly-machines §4).
 */
export function openMachineApi(
  socketPath: string,
  env: Readonly<Record<string, string | undefined>>,
): MachineApi | undefined {
  const { FLY_APP_NAME: app, FLY_MACHINE_ID: machine } = env;
  if (!app || !machine || !existsSync(socketPath)) return undefined;
  const path = `/v1/apps/${encodeURIComponent(app)}/machines/${encodeURIComponent(machine)}/suspend`;
  return {
    async suspend() {
      const status = await post(socketPath, path);
      if (status < 200 || status > 299)
        throw new SpriteSyncError("transient", `Fly answered ${status} to this Machine's own suspend`);
    },
  };
}

function post(socketPath: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MS);
    const sent = request(
      { socketPath, method: "POST", path, headers: { host: "flaps" }, signal },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    sent.once("error", (cause) =>
      reject(new SpriteSyncError("transient", "Fly gave no answer to this Machine's own suspend", { cause })),
    );
    sent.end();
  });
}
