/**
 * Devices that are open in this process. Handles left open at exit make XRT's static destructors crash, so what
 * is still open when the process ends, uncaught errors included, is closed then.
 */
interface Closable {
  close(): void;
}

const open = new Set<Closable>();
let hooked = false;

function closeAll(): void {
  for (const device of [...open].reverse()) {
    try {
      device.close();
    } catch {
      // The process ends; nobody is left to tell.
    }
  }
}

export function registerDevice(device: Closable): void {
  if (!hooked) {
    process.on("exit", closeAll);
    hooked = true;
  }
  open.add(device);
}

export function unregisterDevice(device: Closable): void {
  open.delete(device);
}
