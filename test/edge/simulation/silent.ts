import type { Log } from "../../../shared/log.ts";

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
