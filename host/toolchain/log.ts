/** What v++ and the tools below it write. */

/**
 * Messages with which v++ passes on that a tool below it failed; the cause stands before them. (60-300 kernel build,
 * 60-592 and 60-703 finishing, 60-599 compilation, 60-626 and 60-661 link, 60-773 "in log", 60-1328 step failed.)
 */
const passedOn = /\[v\+\+ 60-(300|592|599|626|661|703|773|1328)\]/;
const error = /^\s*ERROR:/;

/** The first error that says something itself; the first at all where none does. */
export function firstError(lines: readonly string[]): string | undefined {
  const errors = lines.filter((line) => error.test(line));
  return errors.find((line) => !passedOn.test(line)) ?? errors[0];
}

/**
 * The phase that a line of v++ starts: "vpl" of "[v++ 60-1441] [10:15:33] Run run_link: Step vpl: Started", or what
 * the implementation reports ("[11:02:10] Starting logic placement..").
 */
export function phaseOf(line: string): string | undefined {
  const step = /Step (\w+): Started/.exec(line)?.[1];
  if (step !== undefined) return step;
  return /^\[\d\d:\d\d:\d\d\] Starting ([^.]+)\.*$/.exec(line.trim())?.[1];
}
