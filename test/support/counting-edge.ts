import { DirectoryShard } from "../../edge/directory-shard.ts";
import edge from "../../edge/worker.ts";

export { Coordinator, FlyQueue, WaitingRoom } from "../../edge/worker.ts";

/** The edge's directory, which also logs each call, and how many ids it was about: `directory lookup 3`. */
class CountingShard extends DirectoryShard {
  override lookup(ids: string[]): Promise<Record<string, string>> {
    console.log(`directory lookup ${ids.length}`);
    return super.lookup(ids);
  }

  override register(homes: Record<string, string>): Promise<Record<string, string>> {
    console.log(`directory register ${Object.keys(homes).length}`);
    return super.register(homes);
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const { want } = JSON.parse(String(data)) as { want: string[] };
    console.log(`directory want ${want.length}`);
    return super.webSocketMessage(socket, data);
  }
}

export { CountingShard as DirectoryShard };
export default edge;
