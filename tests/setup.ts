import fc from "fast-check";

/**
 * Property tests draw the same cases on every run, so that a red run says something about the change. Set
 * ACCLLM_TEST_SEED to search elsewhere; a failure prints its seed.
 */
fc.configureGlobal({ seed: Number(process.env.ACCLLM_TEST_SEED ?? 20_261_123) });
