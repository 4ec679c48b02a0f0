import { openStorage } from "../../sprite/storage/index.ts";
import { fillLargeStore } from "../support/large-store.ts";

/** Makes a store of many CoValues in a process of its own. Arguments: directory, CoValues, real ones. One JSON line out. */
const [directory = "", covalues = "0", real = "0"] = process.argv.slice(2);
const storage = await openStorage(directory, { durability: "flush" });
const made = await fillLargeStore(storage, { covalues: Number(covalues), real: Number(real) });
await storage.close();
process.stdout.write(`${JSON.stringify(made)}\n`);
