import { expect, test } from "vitest";
import { Random } from "../../../../../quant/eval/reference/random.ts";

test("the same seed gives the same stream", () => {
  const words = (seed: number): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 5 }, () => random.word());
  };
  expect(words(7)).toEqual(words(7));
  expect(words(7)).not.toEqual(words(8));
});

test("integers fill their range evenly, normal numbers have mean 0 and deviation 1", () => {
  const random = new Random(1);
  const counts = new Array<number>(8).fill(0);
  const normals: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    counts[random.between(3, 10) - 3]! += 1;
    normals.push(random.normal());
  }
  for (const count of counts) expect(Math.abs(count - 2500)).toBeLessThan(250);
  const mean = normals.reduce((a, b) => a + b) / normals.length;
  const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normals.length;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 1)).toBeLessThan(0.05);
});
