import { availableParallelism, cpus, loadavg } from "node:os";

/** One sentence about the computer and how busy it is with other things, because no figure means much without it. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown CPU";
  return `${availableParallelism()} × ${model}, ${process.platform} ${process.arch}, Node ${process.versions.node}`;
}

/** The load average of the last minute: above the number of CPUs the figures are those of a busy machine. */
export function describeLoad(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}
