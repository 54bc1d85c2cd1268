import { type Image, openImage } from "../../quant/format/image.ts";
import { openConfiguredDevice } from "../engine/load.ts";
import { optionsForEach } from "../engine/load-several.ts";
import { type VerifyReport, verifyImage, verifyRandom } from "../engine/verify.ts";
import type { Control, VerifyRequest } from "./services.ts";

/**
 * Compares devices, one after the other, with the reference on an image's own model, then on random small models.
 * @throws UsageError, InputError, DeviceError, InterruptedError
 */
export async function verifyDevice(request: VerifyRequest, control: Control): Promise<VerifyReport> {
  const image = await openImage(request.path);
  try {
    const requests = await optionsForEach(request);
    const reports: VerifyReport[] = [];
    for (const [index, one] of requests.entries()) {
      const report = await verifyOne(image, one, {
        ...control,
        progress: (done, total) => control.progress(index * total + done, requests.length * total),
      });
      reports.push(requests.length === 1 ? report : named(report, `${one.device} (${index})`));
    }
    return {
      cases: reports.reduce((sum, { cases }) => sum + cases, 0),
      mismatches: reports.reduce((sum, { mismatches }) => sum + mismatches, 0),
      failures: reports.flatMap(({ failures }) => failures),
    };
  } finally {
    await image.close();
  }
}

/** The report with the device in front of every failure. */
function named(report: VerifyReport, device: string): VerifyReport {
  const failures = report.failures.map((failure) => ({ ...failure, case: `${device}, ${failure.case}` }));
  return { ...report, failures };
}

async function verifyOne(
  image: Image,
  request: VerifyRequest,
  { signal, progress }: Control,
): Promise<VerifyReport> {
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
}
