import type { OpenAccount } from "../account.ts";
import type { ConnectionState } from "../connection.ts";
import { el } from "../dom.ts";
import { spriteChip } from "./sprite-chip.ts";

/** The line under the header that says how the page stands with the server, and how the open list's own server does. */
export function statusStrip({ connection, sprites }: OpenAccount): HTMLElement {
  const chip = el("span", { className: "chip", role: "status", testid: "connection" });
  connection.subscribe((state) => {
    chip.dataset.state = state.link;
    chip.dataset.saved = String(state.saved);
    chip.textContent = describe(state);
  });
  return el("div", { className: "strip", testid: "status-strip" }, chip, spriteChip(sprites));
}

function describe({ link, saved }: ConnectionState): string {
  if (link === "connecting") return "Connecting…";
  if (link === "reconnecting") return "Reconnecting… your changes wait here";
  return saved ? "Connected · everything saved" : "Connected · saving…";
}
