import type { Services } from "./services.ts";

/** The real services, each importing its module when it is first used. */
export const moduleServices: Services = {
  async loadModel(path, options) {
    const { loadModel } = await import("../engine/load.ts");
    return loadModel(path, options);
  },
  async openModel(path, options) {
    const { openModel } = await import("../engine/open-model.ts");
    return openModel(path, options);
  },
  async devicesOf(choice) {
    const { optionsForEach } = await import("../engine/load-several.ts");
    return optionsForEach(choice);
  },
  async server(options) {
    const { Server } = await import("../server/server.ts");
    return new Server(options);
  },
  async quantize(options, hooks) {
    const { ensureNative } = await import("../device/native-build.ts");
    await ensureNative();
    const { quantizeCheckpoint } = await import("../../quant/passes/quantize.ts");
    return quantizeCheckpoint(options, hooks);
  },
  async sensitivity(options, hooks) {
    const { ensureNative } = await import("../device/native-build.ts");
    await ensureNative();
    const { measureSensitivity } = await import("../../quant/passes/sensitivity.ts");
    return measureSensitivity(options, hooks);
  },
  async bench(request, control) {
    const { benchImage } = await import("../bench/measure.ts");
    return benchImage(request, control);
  },
  async perplexity(request, control) {
    const { perplexityOf } = await import("./measure.ts");
    return perplexityOf(request, control);
  },
  async verify(request, control) {
    const { verifyDevice } = await import("./verification.ts");
    return verifyDevice(request, control);
  },
  async inspect(path) {
    const { inspectFile } = await import("./inspection.ts");
    return inspectFile(path);
  },
  async estimate(request) {
    const { estimateReport } = await import("../estimate/report.ts");
    return estimateReport(request);
  },
  async doctor() {
    const { doctor } = await import("../device/doctor.ts");
    return doctor();
  },
  async devices() {
    const { listDevices } = await import("../device/list.ts");
    return listDevices();
  },
};
