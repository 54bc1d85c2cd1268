import { openImage } from "../../quant/format/image.ts";
import { openConfiguredDevice } from "../engine/load.ts";
import { type VerifyReport, verifyImage, verifyRandom } from "../engine/verify.ts";
import type { Control, VerifyRequest } from "./services.ts";

/**
 * Compares a device with the reference on an image's own model, then on random small models.
 * @throws UsageError, InputError, DeviceError, InterruptedError
 */
export async function verifyDevice(
  request: VerifyRequest,
  { signal, progress }: Control,
): Promise<VerifyReport> {
  const image = await openImage(request.path);
  try {
    const device = await openConfiguredDevice(image.header.platform.name, request);
    try {
      const { randomCases: count, seed } = request;
      const own = await verifyImage(image, {
        device,
        signal,
        progress: (done, total) => progress(done, total + count),
      });
      if (count === 0) return own;
      const random = await verifyRandom({
        device,
        signal,
        count,
        seed,
        progress: (done, total) => progress(own.cases + done, own.cases + total),
      });
      return {
        cases: own.cases + random.cases,
        mismatches: own.mismatches + random.mismatches,
        failures: [...own.failures, ...random.failures],
      };
    } finally {
      device.close();
    }
  } finally {
    await image.close();
  }
}
