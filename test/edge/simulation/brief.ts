/** A frame for a person's eyes. */
export function brief(frame: string): string {
  return frame
    .split("\n")
    .filter((text) => !text.startsWith('{"type":"ping"'))
    .map((text) =>
      text
        .replace(/"header":\{.*?"uniqueness":"."\}/, '"header":true')
        .replace(/"lastSignature":"\w*"/g, "")
        .replace(/[\w/]+_session_z/g, "")
        .replace(/co_z(\w{5})\w+/g, "$1")
        .replace(/"action":"(\w+)"/, "$1")
        .replaceAll('"', ""),
    )
    .join(" ");
}
