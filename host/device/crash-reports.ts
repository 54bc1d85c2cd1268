/** How a crash inside a native library is told; not at all unless the program asks for it. */
let format: "text" | "json" | undefined;

/**
 * From now on a crash inside XRT or the emulator is one paragraph on stderr (one object on stdout as "json") and
 * exit code 4, instead of a bare signal. For programs whose process may be ended so: the command line.
 */
export function reportCrashes(as: "text" | "json"): void {
  format = as;
}

/** What {@link reportCrashes} was called with last. */
export function crashReportFormat(): "text" | "json" | undefined {
  return format;
}
