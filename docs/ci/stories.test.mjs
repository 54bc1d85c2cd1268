// A project's test of its model on the emulator: the bits are the card's, so what passes here holds there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadModel } from "accllm";

test("the story goes on, the same each time", async () => {
  const model = await loadModel("model.accllm");
  try {
    const tell = async () => {
      let text = "";
      for await (const token of model.generate("Once upon a time", { temperature: 0, maxTokens: 24 })) {
        text += token.text;
      }
      return text;
    };
    const story = await tell();
    assert.match(story, /\w+ \w+ \w+/);
    assert.equal(await tell(), story);
  } finally {
    await model.close();
  }
});

test("a card that falls off the bus is told, and the next load works", async () => {
  process.env.ACCLLM_EMU_FAULT = "device_lost@3";
  const model = await loadModel("model.accllm");
  delete process.env.ACCLLM_EMU_FAULT;
  try {
    await assert.rejects(
      async () => {
        for await (const _ of model.generate("Once upon a time", { maxTokens: 24 }));
      },
      { code: "DEVICE_LOST", exitCode: 4 },
    );
  } finally {
    await model.close();
  }
  await (await loadModel("model.accllm")).close();
});
