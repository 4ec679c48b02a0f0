import { z } from "zod";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import { HOME_METADATA, type MachineRequest, type VolumeRequest } from "./machines-config.ts";
import { type ApiReply, apiError } from "./machines-errors.ts";
import { type ApiCall, type MachinesHttp, readReply } from "./machines-http.ts";
import { MACHINES_LIMITS } from "./machines-limits.ts";
import type { WaitState } from "./machines-states.ts";
import {
  type FlyMachine,
  type FlyVolume,
  machineSchema,
  startSchema,
  volumeSchema,
} from "./machines-types.ts";

/**
 * The calls of Fly's Machines API that a fleet needs; one HTTP request each, without any retry: whether a call may be
 * made again is for the caller to know. Every method throws `SpriteSyncError`.
 */
export interface MachinesApi {
  /** Machines of the app, destroyed ones left out; of one home only, when it is given. */
  listMachines(home?: GroupId): Promise<FlyMachine[]>;
  /** `undefined` on 404, the only answer (besides the state `destroyed`) that means "there is none". */
  showMachine(id: string): Promise<FlyMachine | undefined>;
  createMachine(request: MachineRequest): Promise<FlyMachine>;
  /**
   * Replaces a sleeping Machine's whole config; it stays asleep, and a suspended one loses its memory.
   * @returns false when it has changed since it was read, or is in a state that allows no update: read it again.
   */
  updateMachine(machine: FlyMachine, config: object): Promise<boolean>;
  /** @returns false when the Machine cannot be started from the state that it is in: read it and decide again. */
  startMachine(id: string): Promise<boolean>;
  stopMachine(id: string): Promise<void>;
  /** Also resolves when there is none. */
  deleteMachine(id: string): Promise<void>;
  /** @returns false when the state was not reached within `MACHINES_LIMITS.waitSliceSeconds`. */
  waitMachine(machine: FlyMachine, state: WaitState): Promise<boolean>;
  /** All the app's volumes: the API cannot filter them. */
  listVolumes(): Promise<FlyVolume[]>;
  showVolume(id: string): Promise<FlyVolume | undefined>;
  createVolume(request: VolumeRequest): Promise<FlyVolume>;
  /** Also resolves when there is none. */
  deleteVolume(id: string): Promise<void>;
}

export function createMachinesApi(http: MachinesHttp): MachinesApi {
  const onMachine = (id: string, doing: string, action = "") => ({
    doing: `${doing} Machine ${id}`,
    machineId: id,
    path: `/machines/${id}${action}`,
  });

  async function callOr404<T>(call: ApiCall, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return await http.call(call, schema);
    } catch (error) {
      if (error instanceof SpriteSyncError && error.code === "gone") return undefined;
      throw error;
    }
  }

  /** `undefined` when the Machine's state or version is another than the caller believed: 409 and 412 (§1.9). */
  async function unlessChanged(call: ApiCall): Promise<ApiReply | undefined> {
    const reply = await http.send(call);
    if (reply.status >= 200 && reply.status <= 299) return reply;
    const error = apiError(call.doing, reply, Date.now());
    if ((reply.status === 409 || reply.status === 412) && error.code === "transient") return undefined;
    throw error;
  }

  return {
    async listMachines(home) {
      const machines: FlyMachine[] = [];
      const query: Record<string, string> = {
        include_deleted: "false",
        limit: String(MACHINES_LIMITS.listPage),
      };
      if (home) query[`metadata.${HOME_METADATA}`] = home;
      const call: ApiCall = {
        doing: "list Machines",
        operation: "Machines_list",
        method: "GET",
        path: "/machines",
        query,
      };
      for (;;) {
        const reply = await http.send(call);
        if (reply.status !== 200) throw apiError(call.doing, reply, Date.now());
        machines.push(...readReply(call, reply, z.array(machineSchema)));
        const cursor = reply.headers.get("fly-next-cursor");
        if (!cursor) return machines;
        query.cursor = cursor;
      }
    },
    showMachine: (id) =>
      callOr404({ ...onMachine(id, "show"), operation: "Machines_show", method: "GET" }, machineSchema),
    createMachine: (body) =>
      http.call(
        {
          doing: `create Machine ${body.name} in ${body.region}`,
          operation: "Machines_create",
          method: "POST",
          path: "/machines",
          body,
          timeoutMs: MACHINES_LIMITS.createMs,
        },
        machineSchema,
      ),
    async updateMachine(machine, config) {
      const version = machine.version ?? machine.instance_id;
      const body = { config, skip_launch: true, ...(version && { current_version: version }) };
      const on = onMachine(machine.id, "update");
      const call: ApiCall = {
        ...on,
        operation: "Machines_update",
        method: "POST",
        body,
        timeoutMs: MACHINES_LIMITS.createMs,
      };
      return (await unlessChanged(call)) !== undefined;
    },
    async startMachine(id) {
      const call: ApiCall = {
        ...onMachine(id, "start", "/start"),
        operation: "Machines_start",
        method: "POST",
      };
      const reply = await unlessChanged(call);
      if (!reply) return false;
      // flyctl takes this field of a 200 for a failure, so it occurs (facts/fly-machines §1.6).
      const { status } = readReply(call, reply, startSchema);
      if (status === "error") throw apiError(call.doing, { ...reply, status: 500 }, Date.now());
      return true;
    },
    async stopMachine(id) {
      const body = { signal: "SIGTERM", timeout: "10s" };
      const call = {
        ...onMachine(id, "stop", "/stop"),
        operation: "Machines_stop",
        method: "POST",
        body,
      } as const;
      await http.call(call, z.unknown());
    },
    async deleteMachine(id) {
      const call = { ...onMachine(id, "delete"), operation: "Machines_delete", method: "DELETE" } as const;
      await callOr404({ ...call, query: { force: "true" } }, z.unknown());
    },
    async waitMachine(machine, state) {
      const seconds = MACHINES_LIMITS.waitSliceSeconds;
      const query: Record<string, string> = { state, timeout: String(seconds) };
      // `stopped` is refused without the version, under its old name by some and its new name by others (§1.6).
      const version = machine.version ?? machine.instance_id;
      if (version && state !== "started") Object.assign(query, { version, instance_id: version });
      const call: ApiCall = {
        ...onMachine(machine.id, `wait for ${state} of`, "/wait"),
        operation: "Machines_wait",
        method: "GET",
        query,
        timeoutMs: seconds * 1000 + MACHINES_LIMITS.waitGraceMs,
      };
      const reply = await http.send(call);
      if (reply.status === 408) return false;
      if (reply.status === 404 && state === "destroyed") return true;
      if (reply.status !== 200) throw apiError(call.doing, reply, Date.now());
      return true;
    },
    listVolumes: () =>
      http.call(
        {
          doing: "list volumes",
          operation: "Volumes_list",
          method: "GET",
          path: "/volumes",
          query: { summary: "true" },
        },
        z.array(volumeSchema),
      ),
    showVolume: (id) =>
      callOr404(
        { doing: `show volume ${id}`, operation: "Volumes_get_by_id", method: "GET", path: `/volumes/${id}` },
        volumeSchema,
      ),
    createVolume: (body) =>
      http.call(
        {
          doing: `create volume ${body.name} in ${body.region}`,
          operation: "Volumes_create",
          method: "POST",
          path: "/volumes",
          body,
          timeoutMs: MACHINES_LIMITS.createMs,
        },
        volumeSchema,
      ),
    async deleteVolume(id) {
      const path = `/volumes/${id}`;
      const call = {
        doing: `delete volume ${id}`,
        operation: "Volume_delete",
        method: "DELETE",
        path,
      } as const;
      await callOr404(call, z.unknown());
    },
  };
}
