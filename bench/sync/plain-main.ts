import { startPlainServer } from "../../test/support/plain-server.ts";

/**
 * A plain cojson server as a program, with cojson's SQLite storage in the file that it is given. `synchronous NORMAL`
 * promises what a Sprite's `flush` does: a killed process loses nothing, a power cut may.
 */
const [sqlite = ""] = process.argv.slice(2);
const server = await startPlainServer({ storage: { sqlite, synchronous: "NORMAL" } });
process.once("SIGTERM", () => void server.close().then(() => process.exit()));
process.stdout.write(`ready ${server.url}\n`);
