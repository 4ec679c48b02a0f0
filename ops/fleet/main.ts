import { main } from "../../cli/main.ts";

await main(async () => (await import("./tool.ts")).FLEET);
