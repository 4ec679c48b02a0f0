/** Closes a socket that may be closed already; the runtime then throws. */
export function closeQuietly(
  socket: { close(code: number, reason: string): void },
  code: number,
  reason: string,
): void {
  try {
    socket.close(code, reason);
  } catch {
    // Closed already, or never opened: what we wanted.
  }
}
