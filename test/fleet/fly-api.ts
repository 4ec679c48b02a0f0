import type { FleetHost } from "../../dev/fleet/index.ts";

/** Fields of the API's answers that tests look at; which of them an answer has depends on the call. */
export interface FlyJson {
  readonly id: string;
  readonly state: string;
  readonly error: string;
  readonly instance_id: string;
  readonly config: object;
}

export interface Reply<T> {
  readonly status: number;
  readonly json: T;
}

/** Calls the Machines API as an operator with curl would, without the client under test. */
export function flyApi(host: FleetHost, token = host.token) {
  const call = async <T = FlyJson>(method: string, path: string, body?: unknown): Promise<Reply<T>> => {
    const response = await fetch(`${host.apiUrl}/v1/apps/${host.appName}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: (text === "" ? undefined : JSON.parse(text)) as T };
  };
  return {
    get: <T = FlyJson>(path: string) => call<T>("GET", path),
    post: (path: string, body?: unknown) => call("POST", path, body),
    patch: (path: string, body?: unknown) => call("PATCH", path, body),
    delete: (path: string) => call("DELETE", path),
    async createVolume(name = "disk") {
      return (await call("POST", "/volumes", { name, region: "fra", size_gb: 1 })).json.id;
    },
    /** A Machine on a volume of its own, with a service that wakes it. */
    async createMachine(config: object = {}, request: object = {}) {
      const volume = await this.createVolume();
      const reply = await call("POST", "/machines", {
        region: "fra",
        ...request,
        config: {
          image: "sprite-sync:test",
          mounts: [{ volume, path: "/data" }],
          services: [{ protocol: "tcp", internal_port: 8080, autostart: true, autostop: "off" }],
          ...config,
        },
      });
      if (reply.status !== 200)
        throw new Error(`create answered ${reply.status} ${JSON.stringify(reply.json)}`);
      return { id: reply.json.id, volume };
    },
  };
}
