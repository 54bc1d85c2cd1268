/** execa, loaded when a process is first started: its hundred modules would be a tenth of a second of every start. */
export async function loadExeca() {
  return (await import("execa")).execa;
}
