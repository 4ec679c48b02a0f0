import type { Connection, ConnectionState } from "../connection.ts";
import { el } from "../dom.ts";

/** The line under the header that says how the page stands with the server. */
export function statusStrip(connection: Connection): HTMLElement {
  const chip = el("span", { className: "chip", role: "status", testid: "connection" });
  connection.subscribe((state) => {
    chip.dataset.state = state.link;
    chip.dataset.saved = String(state.saved);
    chip.textContent = describe(state);
  });
  return el("div", { className: "strip", testid: "status-strip" }, chip);
}

function describe({ link, saved }: ConnectionState): string {
  if (link === "connecting") return "Connecting…";
  if (link === "reconnecting") return "Reconnecting… your changes wait here";
  return saved ? "Connected · everything saved" : "Connected · saving…";
}
