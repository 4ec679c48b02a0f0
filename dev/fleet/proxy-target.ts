import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Writable } from "node:stream";
import type { Machine } from "./machine.ts";
import type { Target } from "./proxy.ts";
import { Refusal } from "./refusal.ts";
import type { Registry } from "./registry.ts";

export interface TargetDeps {
  readonly registry: Registry;
  /** How long a request is held for a Machine that starts, milliseconds. Fly's own limit is not documented. */
  readonly holdMs: number;
}

export const INSTANCE_HEADER = "fly-force-instance-id";
/** Pause between tries to reach a port that does not listen yet: a small part of what a wake takes anyway. */
const CONNECT_RETRY_MS = 10;

/**
 * Stands for fly-proxy (facts/fly-machines §2): leads each request to the Machine that `fly-force-instance-id` names,
 * starting it first when it sleeps and its service says `autostart`.
 *
 * - Unlike Fly it refuses a request that names no Machine: there a random one would be woken (§5.15).
 * - A Machine that is just `stopping` or `suspending` is refused at once (PM08, §2.2): the client must use the API.
 *
 * @param visitor is waited for no longer than it stays.
 * @throws Refusal with the status to answer.
 */
export async function reachMachine(
  request: IncomingMessage,
  visitor: Writable,
  deps: TargetDeps,
): Promise<Target> {
  const id = request.headers[INSTANCE_HEADER];
  if (typeof id !== "string") throw new Refusal(502, `the local proxy needs the header ${INSTANCE_HEADER}`);
  const machine = deps.registry.machines().find((candidate) => candidate.record.id === id);
  if (!machine || machine.state === "destroyed") throw new Refusal(502, `no machine ${id}`);
  const left = new AbortController();
  visitor.once("close", () => left.abort());
  const deadline = performance.now() + deps.holdMs;
  await running(machine, deps.holdMs, left.signal);
  for (;;) {
    const { port } = machine;
    if (port === undefined) throw new Refusal(503, `machine ${id} is ${machine.state}`);
    const socket = await machine.dial();
    if (socket && machine.port === port && !visitor.destroyed)
      return { id, socket, path: request.url ?? "/", headers: forwarded(request, machine) };
    socket?.destroy();
    if (visitor.destroyed) throw new Refusal(499, "the visitor has left");
    if (performance.now() > deadline) throw new Refusal(504, `machine ${id} does not listen`);
    if (!socket) await machine.wait(["stopping", "stopped", "restarting"], CONNECT_RETRY_MS, left.signal);
  }
}

/** Waits for `started`, starting the Machine when it sleeps and may be started by us. @throws Refusal 503 */
async function running(machine: Machine, holdMs: number, left: AbortSignal): Promise<void> {
  const { id } = machine.record;
  if (["created", "stopped", "suspended"].includes(machine.state)) {
    if (!machine.config.services?.some((service) => service.autostart === true)) {
      throw new Refusal(503, `machine ${id} is ${machine.state} and its services have no autostart`);
    }
    machine.start("proxy");
  }
  if (machine.state === "started") return;
  if (machine.state !== "starting" && machine.state !== "restarting") {
    throw new Refusal(503, `machine ${id} is in the non-startable state ${machine.state}`);
  }
  const state = await machine.wait(["started", "failed", "stopped", "stopping", "destroying"], holdMs, left);
  if (state !== "started") throw new Refusal(503, `machine ${id} did not start (${machine.state})`);
}

/** The request's headers as the app gets them: without the routing header, which stays in the proxy (§2.1). */
function forwarded(request: IncomingMessage, machine: Machine): OutgoingHttpHeaders {
  const { [INSTANCE_HEADER]: _, ...headers } = request.headers;
  return {
    ...headers,
    "fly-client-ip": request.socket.remoteAddress ?? "",
    "fly-region": machine.record.region,
    "x-forwarded-proto": "http",
  };
}
