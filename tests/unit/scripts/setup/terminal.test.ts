import { expect, it } from "vitest";
import { seconds, Terminal } from "../../../../scripts/setup/terminal.mjs";

function recorded(isTTY: boolean, env: NodeJS.ProcessEnv) {
  const stream = {
    isTTY,
    columns: 80,
    text: "",
    write(text: string) {
      this.text += text;
    },
  };
  const terminal = new Terminal(stream, env);
  const watch = terminal.watch("step");
  watch.detail("50 %");
  watch.stop();
  terminal.step("done", "step", "1.0 s");
  return stream.text;
}

it("is plain in a pipe and under CI", () => {
  expect(recorded(false, {})).toBe("✓ step               1.0 s\n");
  expect(recorded(true, { CI: "true" })).toBe("✓ step               1.0 s\n");
});

it("has colours and a running line on a terminal", () => {
  const text = recorded(true, {});
  expect(text).toContain("… step");
  expect(text).toContain("\x1b[32m✓");
});

it("honours NO_COLOR, whatever its value", () => {
  const text = recorded(true, { NO_COLOR: "0" });
  expect(text).toContain("… step");
  expect(text).not.toContain("\x1b[32m");
  expect(recorded(true, { NO_COLOR: "" })).toContain("\x1b[32m");
});

it("writes times for people", () => {
  expect(seconds(40)).toBe("0.0 s");
  expect(seconds(59_940)).toBe("59.9 s");
  expect(seconds(59_960)).toBe("1 min 00 s");
  expect(seconds(125_400)).toBe("2 min 05 s");
});
