import { main } from "../../cli/main.ts";

// Loaded here, so that a library of the system that is missing is named.
void main(async () => (await import("./tool.ts")).SPRITE);
