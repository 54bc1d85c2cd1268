import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { chromiumPath } from "../../scripts/setup/chromium.mjs";
import { type DemoImage, emulatorBuilt, quantizeDemo, type RunningServer, startServer } from "./fixture.ts";

const runs = emulatorBuilt && existsSync(chromiumPath);

it("the page's scripts hold to their types", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const compiler = `${root}/node_modules/typescript/bin/tsc`;
  execFileSync(process.execPath, [compiler, "-p", `${root}/host/server/page`], { stdio: "pipe" });
});

describe.skipIf(!runs)("the page in a browser (needs chromium and the emulator built)", () => {
  let image: DemoImage;
  let running: RunningServer;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  beforeAll(async () => {
    image = await quantizeDemo();
    running = await startServer(image.path, { apiKey: "secret" }, { sinks: 4, window: 60 });
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
  });
  afterAll(async () => {
    await browser.close();
    await running.server.close(1_000);
  });
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith(running.url)) problems.push(`a request to ${request.url()}`);
    });
    await page.addInitScript({ content: 'sessionStorage.setItem("key", "secret")' });
    await page.goto(running.url);
    await page.locator("#state.ready").waitFor();
  });
  afterEach(async () => {
    await page.close();
    expect(problems.splice(0)).toEqual([]);
  });
  const answered = () => page.locator("#send:not([disabled])").waitFor({ timeout: 30_000 });

  it("streams an answer with the keyboard alone, and says how fast it was", async () => {
    // From the top of the page: the skip link leads to the question.
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.locator("#question").focus();
    await page.keyboard.type("Once upon a time there was a dog");
    await page.keyboard.press("Enter");
    await page.locator(".message.assistant p:not(:empty)").waitFor();
    await answered();
    const answer = await page.locator(".message.assistant p").textContent();
    expect(answer!.length).toBeGreaterThan(100);
    expect(await page.locator("#announcement").textContent()).toBe(`The model wrote: ${answer}`);
    expect(await page.locator("#rate").textContent()).toMatch(/^[\d,.]+$/);
    expect(await page.locator("#modelled").textContent()).toMatch(/^[\d,.]+$/);
    expect(await page.evaluate("document.activeElement.id")).toBe("question");
  });

  it("shows what attention sees, and what fell out", async () => {
    await page.locator("#question").fill("Once upon a time");
    await page.keyboard.press("Control+End");
    await page.locator("#send").click();
    await answered();
    await page.waitForFunction(`!document.querySelector("#kv-text").textContent.includes(" 0 fell out")`);
    const words = await page.locator("#kv-text").textContent();
    const [, run, out] = /^(\d+) tokens run; attention sees 64 of at most 64: .* (\d+) fell out\.$/.exec(
      words!,
    )!;
    expect(Number(out)).toBe(Number(run) - 64);
    const parts = `[...document.querySelectorAll("#kv rect")].map((one) => one.getAttribute("class"))`;
    expect(await page.evaluate(parts)).toEqual(["sinks", "out", "window"]);
  });

  it("shows every bank and what lies in it", async () => {
    const state = (await (
      await fetch(`${running.url}/state`, { headers: { authorization: "Bearer secret" } })
    ).json()) as { memory: { banks: unknown[]; buffers: { name: string }[] } };
    expect(await page.locator("#banks li").count()).toBe(state.memory.banks.length);
    const text = await page.locator("#banks").textContent();
    for (const { name } of state.memory.buffers) expect(text).toContain(name);
  });

  it("stops an answer with Esc and keeps what was written", async () => {
    await page.locator("details summary").click();
    await page.locator("#max-tokens").fill("4000");
    await page.locator("#question").fill("Once upon a time");
    await page.keyboard.press("Enter");
    await page.locator(".message.assistant p:not(:empty)").waitFor();
    await page.keyboard.press("Escape");
    await answered();
    expect(await page.locator("#error").textContent()).toBe("");
    expect(await page.locator(".message.assistant p").textContent()).not.toBe("");
  });

  it("says what is wrong, and gives the question back", async () => {
    await page.locator("details summary").click();
    await page.locator("#key").fill("wrong");
    await page.locator("#question").fill("Hello");
    await page.keyboard.press("Enter");
    await page.locator("#error:not(:empty)").waitFor();
    expect(await page.locator("#error").textContent()).toContain("API key");
    expect(await page.locator("#question").inputValue()).toBe("Hello");
  });

  it("names every control, and fits a narrow screen", async () => {
    const unnamed = await page.evaluate(
      `[...document.querySelectorAll("input, textarea, button")]
        .filter((one) => (one.labels ?? []).length === 0 && one.textContent.trim() === "")
        .map(({ id }) => id)`,
    );
    expect(unnamed).toEqual([]);
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  });
});
