/**
 * The least that a Worker between a client and a Sprite can do: it passes frames on, both ways, and looks at none.
 * What the edge costs is measured against it. The client itself says which Machine it wants and brings the pass.
 */
export default {
  /**
   * @param {Request} request
   * @param {{ FLY_APP_URL: string }} env
   */
  async fetch(request, env) {
    const headers = new Headers({ Upgrade: "websocket" });
    for (const name of ["fly-force-instance-id", "x-sprite-pass"]) {
      headers.set(name, request.headers.get(name) ?? "");
    }
    const answer = await fetch(`${env.FLY_APP_URL}/sync`, { headers });
    const sprite = answer.webSocket;
    if (!sprite) return answer;
    const { 0: client, 1: server } = new WebSocketPair();
    pipe(server, sprite);
    pipe(sprite, server);
    server.accept();
    sprite.accept();
    return new Response(null, { status: 101, webSocket: client });
  },
};

function pipe(from, to) {
  from.addEventListener("message", ({ data }) => to.send(data));
  from.addEventListener("close", () => to.close(1000, "the other side closed"));
}
