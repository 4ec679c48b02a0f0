import { join } from "node:path";
import { readCompiled, runBundle } from "./code-cache.ts";

/** Put in by the build: the name of the bundle, and the checksum of its compiled code; 0 without. */
declare const PROGRAM: string;
declare const CHECKSUM: number;

const bundle = join(__dirname, PROGRAM);
runBundle(bundle, CHECKSUM === 0 ? undefined : readCompiled(bundle, CHECKSUM));
